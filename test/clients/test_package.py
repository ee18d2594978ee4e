"""The package as pip installs it, without a network."""

import subprocess
import sys

import pytest
from conftest import PYTHON_CLIENT


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder into which pip has installed a copy of the package."""
    source, target = tmp_path_factory.mktemp("source") / "python", tmp_path_factory.mktemp("installed")
    subprocess.run(["cp", "-r", str(PYTHON_CLIENT), str(source)], check=True)  # building writes into the source
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-build-isolation", "--target", str(target)]
    done = subprocess.run([*command, str(source)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return target


def test_every_module_is_installed(installed):
    source = PYTHON_CLIENT / "src" / "quota_client"
    want = {path.relative_to(source) for path in source.rglob("*") if path.suffix in (".py", ".sql", ".typed")}
    package = installed / "quota_client"
    assert {path.relative_to(package) for path in package.rglob("*") if path.suffix in (".py", ".sql", ".typed")} == want


def test_it_is_imported_from_where_pip_put_it(installed):
    code = "import quota_client; print(quota_client.__file__)"
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(installed)}, capture_output=True, text=True)
    assert done.stdout.startswith(str(installed)), done.stderr
