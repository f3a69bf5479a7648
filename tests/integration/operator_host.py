# SPDX-License-Identifier: GPL-2.0-or-later
"""The operator's side on loopback: the real frontend, its command, broker, sshd and git; the ACS with its devices is scripted over
mosquitto's clients. The broker is mosquitto, or ActiveMQ if ISPSTORAGE_TEST_BROKER says so."""

import base64
import getpass
import hashlib
import json
import os
import pathlib
import queue
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import activemq  # noqa: E402
import message_schema  # noqa: E402
from sync_server import CLEAN_ENVIRONMENT, free_port, make_key  # noqa: E402

SOURCE = pathlib.Path(__file__).resolve().parents[2]
ROOT = "InternetGatewayDevice."
SYNC = f"{ROOT}Services.X_000000_ISPStorage.1."
CAPACITY = f"{ROOT}Services.StorageService.1.PhysicalMedium.1.Capacity"
TIMEOUT = 20
BROKER = os.environ.get("ISPSTORAGE_TEST_BROKER", "mosquitto")
AUTHOR = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}


def device(number):
    return f"000000-ISPStorage-GW{number:04}"


def wait_until(what, condition, patience=TIMEOUT):
    deadline = time.monotonic() + patience
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not in {patience} s: {what}")
        time.sleep(0.02)
    return result


def tracer():
    """The path of strace, if it can trace here."""
    strace = shutil.which("strace", path="/usr/bin")
    works = strace and subprocess.run([strace, "-D", "-o", "/dev/null", "/bin/true"], stderr=subprocess.DEVNULL).returncode == 0
    return strace if works else None


class Operator:
    """Broker, sshd and frontend in one directory."""

    def __init__(self, build, api_port=False):
        self.build, self.storage = build, build / "operator/storage"
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="test-operator."))
        # sshd runs no command below a directory that others may write to, as the build directory's parents may be.
        self.trusted = pathlib.Path(tempfile.mkdtemp(prefix="test-operator.", dir="/run"))
        shutil.copy(self.storage / "ispstorage-authorized-keys", self.trusted)
        self.directory.chmod(0o755)
        self.repositories = self.directory / "repositories"
        self.repositories.mkdir()
        self.database = self.directory / "state/frontend/frontend.sqlite"
        self.database.parent.mkdir(parents=True)
        self.mqtt_port, self.ssh_port = free_port(), free_port()
        self.api_port = free_port() if api_port else 0
        self.processes = {}
        self.user, self.own_account = getpass.getuser(), []
        if self.user == "root":
            self.make_account()
        make_key(self.directory / "host_key")
        self.configure()
        self.start_broker()
        self.start_sshd()
        self.listen()
        self.hook = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.hook.bind(str(self.directory / "hook.socket"))
        self.hook_client = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.start_frontend()

    def listen(self):
        path = self.directory / "api.socket"
        path.unlink(missing_ok=True)
        self.api = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.api.bind(str(path))
        self.api.listen()

    def make_account(self):
        """As on the operator's host: an account whose shell is the forced command's program, seen by sshd alone."""
        self.user = "ispstorage-git"
        passwd = self.directory / "passwd"
        passwd.write_text(pathlib.Path("/etc/passwd").read_text() + f"{self.user}:*:0:0::/:{self.storage}/ispstorage-git-shell\n")
        self.own_account = ["/usr/bin/unshare", "-m", "/bin/sh", "-ec", 'mount --bind "$1" /etc/passwd; shift; exec "$@"', "sh", str(passwd)]

    def configure(self):
        # An operator's, with places of its own.
        text = (SOURCE / "operator/mosquitto/ispstorage.conf").read_text()
        for words in (("listener 1883", f"listener {self.mqtt_port}"), ("/etc/ispstorage-operator/mosquitto/passwords", f"{self.directory}/passwords"),
                      ("/etc/ispstorage-operator/mosquitto/acl", f"{SOURCE}/operator/mosquitto/acl")):
            assert words[0] in text, words
            text = text.replace(*words)
        (self.directory / "mosquitto.conf").write_text(f"{text}user root\n")
        (self.directory / "passwords").touch()
        for user in ("acs", "frontend"):
            subprocess.run(["mosquitto_passwd", "-b", str(self.directory / "passwords"), f"ispstorage-{user}", f"{user}-password"],
                           check=True)
        if self.api_port:
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
                            "-keyout", str(self.directory / "api.key"), "-out", str(self.directory / "api.pem"), "-subj", "/CN=localhost",
                            "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
        (self.directory / "frontend.password").write_text("frontend-password\n")
        (self.directory / "frontend.conf").write_text(f"""\
[Database]
Path={self.database}
[Broker]
Port={self.mqtt_port}
PasswordFile={self.directory}/frontend.password
[Storage]
Repositories={self.repositories}
SSHUser={self.user}
SSHHost=127.0.0.1
SSHPort={self.ssh_port}
HostKeysFile={self.directory}/host_key.pub
RepositoryCommand={self.storage}/ispstorage-repository
GitShell={self.storage}/ispstorage-git-shell
SessionsPerKey=3
Hooks={self.directory}/hooks
HookSocket={self.directory}/hook.socket
[API]
Port={self.api_port}
CertificateFile={f"{self.directory}/api.pem" if self.api_port else ""}
KeyFile={f"{self.directory}/api.key" if self.api_port else ""}
[Maintenance]
IntervalSec=0
[Provisioning]
Profile={SOURCE}/operator/frontend/profiles/default.json
""")
        hooks = self.directory / "hooks"
        hooks.mkdir()
        for hook in ("pre-receive", "post-receive"):
            (hooks / hook).symlink_to(self.storage / "ispstorage-repository-hook")
        (self.directory / "sshd_config").write_text(f"""\
ListenAddress 127.0.0.1
Port {self.ssh_port}
HostKey {self.directory}/host_key
PidFile none
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
AuthorizedKeysFile none
AuthorizedKeysCommand {self.trusted}/ispstorage-authorized-keys -c {self.directory}/frontend.conf %u %t %k
AuthorizedKeysCommandUser {getpass.getuser()}
LogLevel ERROR
""")

    def spawn(self, name, *argv, **options):
        with open(self.directory / f"{name}.log", "a") as log:
            self.processes[name] = subprocess.Popen(argv, stdout=log, stderr=log, **options)

    def start_broker(self):
        command = (activemq.prepare(self.directory, self.mqtt_port) if BROKER == "activemq" else
                   ["/usr/sbin/mosquitto", "-c", str(self.directory / "mosquitto.conf")])
        self.spawn("broker", *command)
        wait_until("the broker listens", lambda: listens(self.mqtt_port), 60)

    def start_sshd(self):
        os.makedirs("/run/sshd", exist_ok=True)
        self.spawn("sshd", *self.own_account, "/usr/sbin/sshd", "-D", "-e", "-f", str(self.directory / "sshd_config"))
        wait_until("sshd listens", lambda: listens(self.ssh_port))

    def start_frontend(self, *wrapper):
        # The sockets at the descriptors and with the names that systemd would pass (sd_listen_fds(3)); bash knows its pid.
        start = ('exec 3<&"$1" 4<&"$2"; shift 2; export LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=api:hook; exec "$@"')
        self.spawn("frontend", "/bin/bash", "-c", start, "bash", str(self.api.fileno()), str(self.hook.fileno()),
                   *wrapper, str(self.build / "operator/frontend/ispstorage-frontend"), f"--config={self.directory}/frontend.conf",
                   pass_fds=[self.api.fileno(), self.hook.fileno()])

    def kill(self, name):
        process = self.processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def stop_frontend(self):
        process = self.processes.pop("frontend")
        process.terminate()
        process.wait()

    def admin(self, *argv, **options):
        out = subprocess.run([str(self.build / "operator/admin/ispstorage-admin"), f"--socket={self.directory}/api.socket", "--json", *argv],
                             check=True, capture_output=True, text=True, **options).stdout
        return json.loads(out) if out else None

    def create(self, name):
        self.admin("subscription", "create", name, "--password-stdin", input="secret\n")
        wait_until("the repository is there", lambda: self.admin("subscription", "show", name)["repository_ready"])
        return self.repositories / f"{name}.git"

    def set_quota(self, repository, mib):
        (repository / "ispstorage.conf").write_text(f"[Repository]\nQuotaMiB={mib}\nHookSocket={self.directory}/hook.socket\n")

    def stop(self):
        for process in self.processes.values():
            process.terminate()
            process.wait()
        self.api.close()
        self.hook.close()
        self.hook_client.close()
        shutil.rmtree(self.directory)
        shutil.rmtree(self.trusted)

    def logs(self):
        return "".join(path.read_text() for path in sorted(self.directory.glob("*.log")))


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class Acs:
    """Speaks docs/mqtt.md in place of an ACS: reads commands, sends Informs and results."""

    def __init__(self, operator):
        self.login = ["-h", "127.0.0.1", "-p", str(operator.mqtt_port), "-u", "ispstorage-acs", "-P", "acs-password"]
        self.commands, self.acks, self.cancelled, self.malformed = {}, set(), set(), []
        self.on_command = None
        self.queue_lock = threading.Lock()
        self.subscriber = subprocess.Popen(
            ["mosquitto_sub", *self.login, "-q", "1", "-i", "ispstorage-acs", "-c", "-v", "-t", "ispstorage/v1/cwmp/+/command",
             "-t", "ispstorage/v1/cwmp/+/ack"], stdout=subprocess.PIPE, text=True)
        self.seen = set()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.subscriber.stdout:
            topic, payload = line.split(" ", 1)
            _, _, _, name, kind = topic.split("/")
            message = json.loads(payload)
            self.malformed += message_schema.problems(message, message_schema.SCHEMA["$defs"][kind], kind)
            with self.queue_lock:
                if kind == "ack":
                    self.acks.update(message["ids"])
                elif message.get("cancel"):
                    self.cancelled.add(message["id"])
                elif message["id"] not in self.seen:
                    self.seen.add(message["id"])
                    if self.on_command:
                        self.on_command(name, message)
                    self.commands.setdefault(name, queue.Queue()).put(message)

    def send(self, name, kind, message):
        """Publishes, and again until it is acknowledged, as an ACS does."""
        message = {"id": str(uuid.uuid4()), "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **message}
        message_schema.check(kind, message)
        publish = ["mosquitto_pub", *self.login, "-q", "1", "-t", f"ispstorage/v1/cwmp/{name}/{kind}", "-m", json.dumps(message)]
        for _ in range(4):
            subprocess.run(publish, check=True)
            try:
                wait_until("the message is acknowledged", lambda: message["id"] in self.acks)
                return
            except AssertionError:
                pass
        raise AssertionError("the frontend does not acknowledge")

    def inform(self, name, event, **parameters):
        self.send(name, "inform", {"root": ROOT, "device": {}, "events": [{"code": event, "command_key": ""}],
                                   "parameters": {SYNC + key: value for key, value in parameters.items()}})

    def next(self, name):
        with self.queue_lock:
            commands = self.commands.setdefault(name, queue.Queue())
        try:
            return commands.get(timeout=TIMEOUT)
        except queue.Empty:
            raise AssertionError(f"no command for {name}") from None

    def none(self, name):
        """True if nothing was ordered. What is asked after it has gone the same way, so nothing can be on its way."""
        return name not in self.commands or self.commands[name].empty()

    def answer(self, name, command, **members):
        self.send(name, "result", {"command": command["id"], "status": "ok", **members})

    def stop(self):
        self.subscriber.terminate()
        self.subscriber.wait()
        self.reader.join()
        self.subscriber.stdout.close()


class Gateway:
    """A device of the ACS, and a git client with its key."""

    def __init__(self, operator, acs, number):
        self.operator, self.acs, self.name = operator, acs, device(number)
        self.directory = operator.directory / f"gw{number}"
        self.directory.mkdir()
        self.key = make_key(self.directory / "key")
        self.opseq = 0
        known = (operator.directory / "host_key.pub").read_text().split()
        (self.directory / "known_hosts").write_text(f"[127.0.0.1]:{operator.ssh_port} {known[0]} {known[1]}\n")
        subprocess.run(["/usr/bin/git", "init", "-q", "-b", "main", str(self.directory / "work")], check=True, env=CLEAN_ENVIRONMENT)
        self.settings = {}

    def bootstrap(self):
        """Answers what it is asked until it was configured."""
        self.acs.inform(self.name, "0 BOOTSTRAP")
        while True:
            command = self.acs.next(self.name)
            if "get" in command:
                self.acs.answer(self.name, command, values={CAPACITY: "1000", SYNC + "Status": "Disabled", SYNC + "RepositoryURL": ""})
            elif "add" in command:
                self.acs.answer(self.name, command, instance=1)
            else:
                self.settings = command["set"]
                self.acs.answer(self.name, command, cwmp_status=0)
                return

    def ready(self):
        self.acs.inform(self.name, "4 VALUE CHANGE", Status="Ready", PublicKey=self.key)
        command = self.acs.next(self.name)
        self.acs.answer(self.name, command, cwmp_status=0)
        return command["set"][SYNC + "Status"]

    def ssh(self, *command, options=()):
        return subprocess.run(self.ssh_command(*command, options=options), capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              timeout=TIMEOUT)

    def ssh_command(self, *command, options=()):
        return ["/usr/bin/ssh", "-F", "none", "-p", str(self.operator.ssh_port), "-i", str(self.directory / "key"), "-o", "BatchMode=yes",
                "-o", "IdentitiesOnly=yes", "-o", f"UserKnownHostsFile={self.directory}/known_hosts", *options,
                f"{self.operator.user}@127.0.0.1", *command]

    def git(self, *arguments):
        """Status and standard error of git on the working repository."""
        ssh = (f"ssh -F none -i {self.directory}/key -o BatchMode=yes -o IdentitiesOnly=yes "
               f"-o UserKnownHostsFile={self.directory}/known_hosts")
        done = subprocess.run(["/usr/bin/git", "-C", str(self.directory / "work"), *arguments], capture_output=True, text=True,
                              env={**CLEAN_ENVIRONMENT, **AUTHOR, "GIT_SSH_COMMAND": ssh})
        return done.returncode, done.stderr, done.stdout.strip()

    def url(self, name="home"):
        return f"ssh://{self.operator.user}@127.0.0.1:{self.operator.ssh_port}/{name}"

    def staging(self):
        """The namespace of its key, computed as docs/operator.md says."""
        return "refs/staging/" + hashlib.sha256(base64.b64decode(self.key.split()[1])).hexdigest()[:16]

    def commit(self, text):
        assert self.git("commit", "-q", "--allow-empty", "-m", text)[0] == 0
        return self.git("rev-parse", "HEAD")[2]

    def push(self, *refspecs):
        return self.git("push", "-q", "--atomic", self.url(), *(refspecs or ["HEAD:refs/heads/main"]))

    def pull(self, expected_opseq=None):
        """Executes an ordered pull: fetches over ssh and reports."""
        command = self.acs.next(self.name)
        operation, opseq = command["set"][SYNC + "SyncOp"].split()
        assert operation == "pull", command
        if expected_opseq is not None:
            assert int(opseq) == expected_opseq, command
        self.acs.answer(self.name, command, cwmp_status=0)
        status, error, _ = self.git("pull", "-q", "--ff-only", self.url(), "main")
        assert status == 0, error
        self.opseq = int(opseq)
        self.report(f"pull {opseq} ok")

    def revision(self):
        return f"{self.git('rev-list', '--count', 'HEAD')[2]}.{self.git('rev-parse', 'HEAD')[2]}"

    def report(self, status):
        self.acs.inform(self.name, "4 VALUE CHANGE", Revision=self.revision(), LastOpSeq=str(self.opseq),
                        SyncStatus=f"{status} {self.revision()}")

    def state(self):
        return self.operator.admin("device", "show", self.name)


class OperatorCase(unittest.TestCase):
    """A test with an operator of its own. build: the build directory."""

    build = None
    api_port = False

    def setUp(self):
        self.operator = Operator(self.build, self.api_port)
        self.acs = Acs(self.operator)
        self.addCleanup(self.clean_up)

    def clean_up(self):
        self.acs.stop()
        if not self._outcome.success:
            print(self.operator.logs(), file=sys.stderr)
        self.operator.stop()
        self.assertEqual(self.acs.malformed, [])

    def subscribe(self, *numbers):
        """A subscription with these gateways, provisioned and confirmed."""
        self.repository = self.operator.create("home")
        gateways = [Gateway(self.operator, self.acs, n) for n in numbers]
        for gateway in gateways:
            self.operator.admin("device", "allow", gateway.name, "--subscription", "home", "--name", gateway.directory.name)
            gateway.bootstrap()
            self.assertNotEqual(gateway.ssh("true").returncode, 0)
            self.assertEqual(gateway.ready(), "Subscribed")
            self.assertEqual(gateway.state()["state"], "subscribed")
        return gateways

    def refused(self, gateway, why, *refspecs):
        status, error, _ = gateway.push(*refspecs)
        self.assertNotEqual(status, 0)
        self.assertRegex(error, rf"(?m)^remote: {why}: ")
