"""Run pytest twice at a time, as two cores allow, each on its share of the tests.

python side_by_side.py PYTEST [OPTION ...] -- FOLDER_OR_FILE ...

What comes behind "--" is the share of the first run, all other tests are that of the second. What
the first says comes when the second is done. A shell would start one of them deaf to interrupts.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

command, share = sys.argv[1 : sys.argv.index("--")], sys.argv[sys.argv.index("--") + 1 :]
here = Path(__file__).parent
first_paths = [str(here / name) for name in share]
others = [f"--ignore={path}" for path in first_paths]
# Each has about one core: threads of BLAS that wait for each other would take it for nothing.
environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}

with tempfile.TemporaryFile() as said:
    first = subprocess.Popen(
        [*command, *first_paths], env=environment, stdout=said, stderr=subprocess.STDOUT
    )
    second = subprocess.run([*command, str(here), *others], env=environment, check=False)
    first.wait()
    said.seek(0)
    sys.stdout.flush()
    sys.stdout.buffer.write(said.read())
sys.exit(first.returncode or second.returncode)
