"""Is META.json of an unpacked distribution what PGXN takes?  usage: meta.py FOLDER"""
import json
import pathlib
import sys

import jsonschema

folder = pathlib.Path(sys.argv[1])
meta = json.loads((folder / "META.json").read_text())
schema = json.loads(pathlib.Path(__file__).with_name("meta.schema.json").read_text())
validator = jsonschema.Draft7Validator(schema)
wrong = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(meta)]
if not wrong:
    files = [found[key] for found in meta["provides"].values() for key in ("file", "docfile") if key in found]
    wrong += [f"{file} is not there" for file in files if not (folder / file).is_file()]
    if folder.name != "{name}-{version}".format(**meta):
        wrong.append(f"the folder is called {folder.name}")

# A schema that takes everything would tell nothing.
for key in schema["required"]:
    if validator.is_valid({name: value for name, value in meta.items() if name != key}):
        wrong.append(f"the schema does not miss {key}")
sys.exit("\n".join(wrong) or 0)
