"""Makes the image trust the site's certificate authorities, beside those of Debian.

Usage: trust.py BUNDLE. Certificates of the bundle that Debian does not bring are written one a
file, as update-ca-certificates wants them; a bundle of many in one file would be skipped.
"""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
DEBIAN = Path("/etc/ssl/certs/ca-certificates.crt")
LOCAL = Path("/usr/local/share/ca-certificates/radlab")


def certificates(path: Path) -> set[str]:
    """The PEM blocks of a bundle, without the spaces at line ends that some writers leave."""
    text = path.read_text(errors="replace") if path.exists() else ""
    return {"\n".join(map(str.strip, block.splitlines())) for block in CERTIFICATE.findall(text)}


def main() -> None:
    """Write the site's own certificates and have Debian's tool take them in."""
    own = certificates(Path(sys.argv[1])) - certificates(DEBIAN)
    LOCAL.mkdir(parents=True, exist_ok=True)
    for block in own:
        name = hashlib.sha256(block.encode()).hexdigest()[:16]
        (LOCAL / f"{name}.crt").write_text(block + "\n")
    subprocess.run(["update-ca-certificates"], check=True)
    print(f"certificate authorities of the site, beside Debian's: {len(own)}")


main()
