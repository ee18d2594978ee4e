"""The steps of packaging/github-actions/quota.yml as a script for a clean root, which
prints "ok STEP" or "not ok STEP".  usage: workflow.py MAJOR"""
import pathlib
import shlex
import socket
import sys

import yaml

path = pathlib.Path("packaging/github-actions/quota.yml")
job = yaml.safe_load(path.read_text())["jobs"]["tests"]
# What a clean root stands for: root in Debian's image, and GitHub's way to call bash.
assert job["container"].startswith("debian:") and job["defaults"]["run"]["shell"] == "bash"

# The network is the machine's, where the port may be taken.
with socket.socket() as free:
    free.bind(("localhost", 0))
    port = free.getsockname()[1]
env = {name: str(value).replace(str(job["env"]["PGPORT"]), str(port)) for name, value in job["env"].items()}
env["PG_MAJOR"] = sys.argv[1]

print(". ./lines.sh", "mkdir /__w", "cd /__w", sep="\n")
for name, value in env.items():
    print(f"export {name}={shlex.quote(value)}")
for step in job["steps"]:
    name = shlex.quote(step["name"])
    if "run" in step:
        print(f"works {name} bash --noprofile --norc -eo pipefail -c {shlex.quote(step['run'])}")
    elif step["uses"].startswith("actions/checkout@"):
        if "path" in step.get("with", {}):
            print(f"cp -r /root/quota {shlex.quote(step['with']['path'])}")
    else:
        sys.exit(f"{path}: a step that this test cannot take: {step['uses']}")
print('exit "$failed"')
