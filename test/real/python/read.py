"""Prints a dictionary as JSON, read with the published Python package: read.py SECRETCFG SECRETDEF."""
import json
import sys

from secretmanager import SecretManager

with open(sys.argv[1]) as cfg, open(sys.argv[2]) as definition:
    secretcfg, secretdef = json.load(cfg), json.load(definition)

sm = SecretManager(secretcfg)
result = sm.execute("KUBEVAULT", "READ", sm, secretdef)
sm.execute("KUBEVAULT", "LOGOUT", sm)
if result["status"] != "success":
    sys.exit(f"READ: {result}")
json.dump(result["data"], sys.stdout)
