/** Policy of the tokens that answers are wrapped behind; nobody else can be given it. */
export const WRAPPING_POLICY_NAME = 'response-wrapping'

/** What a token that an answer is wrapped behind may do; the rules of OpenBao 2.4.0. */
export const WRAPPING_POLICY = `
path "cubbyhole/response" {
    capabilities = ["create", "read"]
}

path "sys/wrapping/unwrap" {
    capabilities = ["update"]
}
`
