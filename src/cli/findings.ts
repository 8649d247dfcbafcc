/**
 * Ends a command that did all its work and found something: exit code 8. What was found is printed
 * before, so that nothing more is.
 */
export class Findings extends Error {}
