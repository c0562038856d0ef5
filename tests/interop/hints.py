"""The package's type hints, read by mypy at its strictest: of the package itself, and of a
program that uses it."""
import pathlib
import subprocess

import peers
from tier import combination

HERE = pathlib.Path(__file__).resolve().parent


@combination(())
def mypy_reads_the_hints():
    from support import BUILD, Place
    with Place() as place:
        done = subprocess.run(
            [peers.mypy(), "-m", "mypy", "--strict", "--config-file", HERE.parents[1] / "python/pyproject.toml",
             "--python-executable", peers.python(), "--cache-dir", place.disk / "cache",
             "-p", "spanring"], cwd=BUILD / "python", stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, check=False)
        program = subprocess.run(
            [peers.mypy(), "-m", "mypy", "--strict", "--cache-dir", place.disk / "cache",
             "--python-executable", peers.python(), HERE / "typed_program.py"],
            cwd=place.disk, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            check=False, env={"MYPYPATH": str(BUILD / "python")})
    if done.returncode or program.returncode:
        raise AssertionError(done.stdout + program.stdout)
