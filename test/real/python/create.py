"""Stores stdin with the published Python package: create.py SECRETCFG SECRETDEF."""
import json
import sys

from secretmanager import SecretManager

with open(sys.argv[1]) as cfg, open(sys.argv[2]) as definition:
    secretcfg, secretdef = json.load(cfg), json.load(definition)

sm = SecretManager(secretcfg)
result = sm.execute("KUBEVAULT", "CREATE", sm, secretdef, sys.stdin.read())
sm.execute("KUBEVAULT", "LOGOUT", sm)
# The original answers a failure with a status, not with an exception.
sys.exit(0 if result["status"] == "success" else f"CREATE: {result}")
