"""Runs the tests of NHS England's own mesh_client that need a sandbox, at another address than the one in them.

Arguments: the folder of mesh-client's source distribution, then URL, CA, client certificate and key of the sandbox.
Everything else in the tests stays as it is.
"""

import os
import sys

import pytest
from mesh_client import Endpoint


def main():
    source, url, ca, cert, key = sys.argv[1:]
    os.chdir(source)
    # Behind the installed package, which is what is tested.
    sys.path.append(source)
    from tests import helpers

    helpers.SANDBOX_ENDPOINT = Endpoint(url, ca, (cert, key), False, False)
    sys.exit(pytest.main(["-q", "--tb=short", "-p", "no:cacheprovider", "tests/mesh_sandbox_tests.py"]))


main()
