"""Certificates for tests, by the openssl command."""
import subprocess

from support import PATIENCE_S, Skip

EXPIRED = ("20200101000000Z", "20200102000000Z")
TO_COME = ("20400101000000Z", "20410101000000Z")
CA_CONFIG = """
[ca]
default_ca = own
[own]
database = {folder}/index
new_certs_dir = {folder}
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
"""


def openssl(*words):
    try:
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True,
                       timeout=PATIENCE_S)
    except FileNotFoundError:
        raise Skip("openssl is not installed") from None


class Authority:
    """A certificate authority in a folder."""

    def __init__(self, folder, name):
        folder.mkdir(exist_ok=True)
        self.folder, self.name = folder, name
        self.key, self.certificate = folder / f"{name}.key", folder / f"{name}.pem"
        (folder / "index").touch()
        (folder / "ca.conf").write_text(CA_CONFIG.format(folder=folder))
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", self.key, "-out",
                self.certificate, "-subj", f"/CN={name}", "-days", "30")

    def issue(self, name, host="DNS:localhost,IP:127.0.0.1", dates=None):
        """Returns the paths of a certificate and its key."""
        request = self.folder / f"{name}.csr"
        key, certificate = self.folder / f"{name}.key", self.folder / f"{name}.pem"
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={host}\n")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", request,
                "-subj", f"/CN={name}")
        openssl("ca", "-batch", "-notext", "-config", self.folder / "ca.conf", "-cert",
                self.certificate, "-keyfile", self.key, "-in", request, "-out", certificate,
                "-extfile", extensions,
                *(("-startdate", dates[0], "-enddate", dates[1]) if dates else ("-days", "30")))
        return certificate, key
