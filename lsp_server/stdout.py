"""Standard output, which belongs to a protocol.

Gives the stream to write messages to; whatever else writes to stdout, native code too, comes out on stderr.
"""

import os
import sys
from typing import BinaryIO


def claim_stdout() -> BinaryIO:
    """Take stdout for the caller alone. To be called once, before threads and children."""
    sys.stdout.flush()
    ours = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    sys.stdout = sys.stderr
    return ours
