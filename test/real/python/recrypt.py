"""Rotates the key and encrypts anew with the published Python package: recrypt.py SECRETCFG SECRETDEF.

The verbs in the order in which the original's own job performs them, and what it makes of their answers.
Between reading and writing it prints a line, and goes on when its stdin ends.
"""
import json
import sys

from secretmanager import SecretManager

with open(sys.argv[1]) as cfg, open(sys.argv[2]) as definition:
    secretcfg, secretdef = json.load(cfg), json.load(definition)


def perform(verb, *args):
    result = sm.execute("KUBEVAULT", verb, sm, *args)
    if result["status"] != "success":
        sys.exit(f"{verb} failed")
    return result


sm = SecretManager(secretcfg)
before = perform("READ", secretdef)["data"]
perform("ROTATE", secretdef["transit_key"])
print("read", flush=True)
sys.stdin.read()
perform("CREATE", secretdef, json.dumps(before))
if perform("READ", secretdef)["data"] != before:
    sys.exit("validation failed")
print("validation successful")
sm.execute("KUBEVAULT", "LOGOUT", sm)
