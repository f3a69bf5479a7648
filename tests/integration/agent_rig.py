# SPDX-License-Identifier: GPL-2.0-or-later
"""The agent on a private message bus, against an ACS that plays a script: what the agent's tests share."""

import base64
import datetime
import gzip
import hashlib
import http.client
import http.server
import os
import pathlib
import queue
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import xml.etree.ElementTree as ElementTree

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = None  # the build directory
ADDRESS = f'127.{os.getpid() >> 16 & 255}.{os.getpid() >> 8 & 255}.{os.getpid() & 255 or 1}'
USER, PASSWORD = 'device', 'secret'
PATIENCE = 20

ENVELOPE = '''<?xml version="1.0"?>
<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/" xmlns:enc="http://schemas.xmlsoap.org/soap/encoding/"
 xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:c="urn:dslforum-org:cwmp-1-0">
<soap:Header><c:ID soap:mustUnderstand="1">{id}</c:ID></soap:Header><soap:Body>{body}</soap:Body></soap:Envelope>'''
INFORM_RESPONSE = '<c:InformResponse><MaxEnvelopes>1</MaxEnvelopes></c:InformResponse>'


def local(element):
    return element.tag.rsplit('}', 1)[-1]


def md5(*parts):
    return hashlib.md5(':'.join(parts).encode()).hexdigest()


def names_list(*names):
    return (f'<ParameterNames enc:arrayType="xsd:string[{len(names)}]">'
            + ''.join(f'<string>{n}</string>' for n in names) + '</ParameterNames>')


def get_values(*names):
    return f'<c:GetParameterValues>{names_list(*names)}</c:GetParameterValues>'


def set_values(key, *values):
    items = ''.join(f'<ParameterValueStruct><Name>{n}</Name><Value xsi:type="xsd:{t}">{v}</Value></ParameterValueStruct>'
                    for n, t, v in values)
    return (f'<c:SetParameterValues><ParameterList enc:arrayType="c:ParameterValueStruct[{len(values)}]">{items}'
            f'</ParameterList><ParameterKey>{key}</ParameterKey></c:SetParameterValues>')


def option_43(url='', code='', minimum='', multiplier=''):
    """The file of a DHCP client that got these values."""
    values = enumerate((url, code, minimum, multiplier), 1)
    option = b''.join(bytes([k, len(v)]) + v.encode() for k, v in values if v)
    return f'[DHCP]\nOption43={option.hex(":")}\n'


class Message:
    """What the agent sent: headers and the parsed envelope, if there was one."""

    def __init__(self, headers, body):
        self.headers, self.raw = headers, body
        self.envelope = ElementTree.fromstring(body) if body else None
        self.method, self.body = None, None
        if body:
            self.body = [e for e in self.envelope if local(e) == 'Body'][0][0]
            self.method = local(self.body)

    @property
    def id(self):
        return next((e.text for e in self.envelope.iter() if local(e) == 'ID'), None)

    def texts(self, tag):
        return [e.text or '' for e in self.body.iter() if local(e) == tag]

    def values(self):
        return {s.find('Name').text: s.find('Value').text or '' for s in self.body.iter()
                if local(s) == 'ParameterValueStruct'}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    # A response is one piece, as servers send it.
    wbufsize = 1 << 16

    def log_message(self, *args):
        pass

    def handle(self):
        try:
            super().handle()
        except OSError:
            pass  # the agent was stopped in the middle of a session

    def authorized(self):
        acs = self.server.acs
        if not acs.digest:
            return True
        fields = dict(re.findall(r'(\w+)="?([^",]*)"?', self.headers.get('Authorization', '')))
        if fields.get('nonce') != acs.nonce or int(fields['nc'], 16) <= acs.nc:
            return False
        expected = md5(md5(USER, 'acs', PASSWORD), acs.nonce, fields['nc'], fields['cnonce'], 'auth', md5('POST', self.path))
        acs.nc = int(fields['nc'], 16)
        return fields['response'] == expected

    def answer(self, status, body=b'', headers=()):
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        if status != 204:
            self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        acs = self.server.acs
        body = self.rfile.read(int(self.headers.get('Content-Length', 0)))
        acs.requests += 1
        acs.paths.append(self.path)
        acs.connections.add(self.client_address)
        if acs.redirect and (acs.circle or not acs.redirect[1].endswith(self.path)):
            return self.answer(acs.redirect[0], headers=[('Location', acs.redirect[1])])
        if acs.fail_with:
            return self.answer(acs.fail_with)
        if not self.authorized():
            acs.challenges += 1
            acs.nonce, acs.nc = f'nonce{acs.challenges}', 0
            return self.answer(401, b'who?', [('WWW-Authenticate', f'Digest realm="acs", qop="auth", nonce="{acs.nonce}", opaque="o"')])
        if self.headers.get('Content-Encoding') == 'gzip':
            body = gzip.decompress(body)
        message = Message(self.headers, body.decode())
        acs.received.put(message)
        if acs.habit and acs.habit(self, message):
            return None
        if message.method == 'Inform':
            acs.to_send = list(acs.script)
            acs.script = []
            reply = ENVELOPE.format(id=message.id, body=INFORM_RESPONSE).encode()
            return self.answer(200, reply, [('Set-Cookie', acs.cookie), ('Content-Type', 'text/xml')])
        if acs.fail_on and acs.fail_on == message.method:
            return self.answer(503)
        if message.method == 'TransferComplete':
            reply = ENVELOPE.format(id=message.id, body='<c:TransferCompleteResponse/>').encode()
            return self.answer(200, reply, [('Content-Type', 'text/xml')])
        if message.envelope is not None:
            acs.answers.put(message)
            if acs.die_after_answer:
                acs.die_after_answer()
        if not acs.to_send:
            acs.sessions.put(True)
            return self.answer(acs.end_with)
        reply = ENVELOPE.format(id='acs-1', body=acs.to_send.pop(0)).encode()
        return self.answer(200, reply, [('Content-Type', 'text/xml')])


class Acs:
    username = USER

    def __init__(self, tls=None, tls_version=None, client_authority=None, port=0):
        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', port), Handler)
        self.server.daemon_threads = True
        self.server.acs = self
        scheme = 'http'
        if tls:
            context = self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(f'{tls}/acs.pem', f'{tls}/acs.key')
            if tls_version:
                context.set_ciphers('DEFAULT@SECLEVEL=0')
                context.minimum_version = context.maximum_version = tls_version
            self.server_names = queue.Queue()
            context.sni_callback = lambda connection, name, context: self.server_names.put(name)
            if client_authority:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(client_authority)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            scheme = 'https'
        self.url = f'{scheme}://localhost:{self.server.server_port}/cwmp'
        self.received, self.answers, self.sessions = queue.Queue(), queue.Queue(), queue.Queue()
        self.script, self.to_send = [], []
        self.digest, self.nonce, self.nc, self.challenges, self.requests = True, 'none', 0, 0, 0
        self.paths = []
        self.connections, self.cookie = set(), 'session=abc'
        self.redirect, self.circle, self.fail_with, self.end_with = None, False, None, 204
        self.fail_on, self.die_after_answer = None, None
        # Called with the handler and each message; true if it has answered.
        self.habit = None
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def inform(self):
        """The next Inform; what is not one is skipped."""
        deadline = time.monotonic() + PATIENCE
        while True:
            message = self.received.get(timeout=max(0.01, deadline - time.monotonic()))
            if message.method == 'Inform':
                return message

    def inform_with(self, event):
        """The next Inform that carries the event."""
        while True:
            inform = self.inform()
            if event in inform.texts('EventCode'):
                return inform

    def session_end(self):
        self.sessions.get(timeout=PATIENCE)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class AgentTest(unittest.TestCase):
    def setUp(self):
        self.addCleanup(self.clean_up)
        self.directory = tempfile.mkdtemp(prefix='test-agent.')
        self.processes = []
        self.agent = self.log = self.acs = None
        address = f'unix:path={self.directory}/bus'
        self.path('bus.conf').write_text(f'''<busconfig><listen>{address}</listen><policy context="default">
            <allow send_type="method_call"/><allow send_type="signal"/>
            <allow send_type="method_return"/><allow send_type="error"/><allow receive_type="method_call"/>
            <allow receive_type="method_return"/><allow receive_type="error"/><allow receive_type="signal"/><allow own="*"/><allow user="*"/></policy></busconfig>''')
        self.bus = subprocess.Popen(['dbus-daemon', '--nofork', '--print-address', f'--config-file={self.directory}/bus.conf'],
                                    stdout=subprocess.PIPE, text=True)
        self.bus.stdout.readline()
        self.environment = dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=address, CREDENTIALS_DIRECTORY=self.directory,
                                ISPSTORAGE_LOG_LEVEL='debug')
        self.path('acs-password').write_text(PASSWORD)
        self.path('providers').mkdir()
        # A failed session is tried again after a second.
        self.path('discovery.conf').write_text(option_43(minimum='1', multiplier='1000'))
        shutil.copy(SOURCE / 'agent/agent.provider.conf', self.path('providers/agent.conf'))

    def clean_up(self):
        self.stop_agent()
        self.bus.terminate()
        self.bus.wait(PATIENCE)
        self.bus.stdout.close()
        if self.log:
            self.log.close()
        if self.acs:
            self.acs.close()
        shutil.rmtree(self.directory)

    def path(self, name):
        return pathlib.Path(self.directory, name)

    def provider(self, name, bus_name, prefixes):
        self.path(f'providers/{name}.conf').write_text(
            f'[Provider]\nBusName={bus_name}\nObjectPath=/{bus_name.replace(".", "/")}\nPrefixes={prefixes}\n')

    def start_agent(self, acs=None, **acs_options):
        self.acs = acs or Acs(**acs_options)
        self.path('agent.conf').write_text(f'''[Device]
SerialNumber=0001
RootObject=Device1
[ACS]
URL={self.acs.url}
Username={self.acs.username}
TrustedCertificates={self.directory}/ca.pem
Discovery={self.directory}/discovery.conf
[ConnectionRequest]
Address={ADDRESS}
[Paths]
State={self.directory}/state
Runtime={self.directory}/run
SessionWorker={BUILD}/agent/ispstorage-agent-session
TransferWorker={BUILD}/agent/ispstorage-agent-transfer
Helpers={self.directory}/helpers
Documents={BUILD}/common/datamodel
Providers={self.directory}/providers
''')
        if self.log:
            self.log.close()
        self.log = open(self.path('log'), 'ab')
        self.agent = subprocess.Popen([f'{BUILD}/agent/ispstorage-agent', f'--config={self.directory}/agent.conf'], env=self.environment, stderr=self.log)

    def stop_agent(self):
        if not self.agent:
            return
        self.agent.terminate()
        status = self.agent.wait(PATIENCE)
        self.agent = None
        self.log.close()
        if status != 0 or os.environ.get('SHOW_LOG'):
            sys.stderr.write(self.path('log').read_text())
        self.assertEqual(status, 0)

    def boot_again(self, acs):
        """A boot of the device, as far as the agent can see it."""
        self.stop_agent()
        shutil.rmtree(self.path('run'))
        self.start_agent(acs)

    def first_session(self, **acs_options):
        self.start_agent(**acs_options)
        inform = self.acs.inform()
        self.acs.session_end()
        return inform

    def call(self, *messages):
        """Plays the requests in a session of their own; returns the agent's answers."""
        self.acs.script = list(messages)
        self.inform_now()
        return [self.acs.answers.get(timeout=PATIENCE) for _ in messages]

    def inform_now(self):
        self.bus_call('call', 'org.ispstorage.Agent1', '/org/ispstorage/Agent1', 'org.ispstorage.Agent1.Manager', 'Inform')

    def bus_call(self, *arguments):
        return subprocess.run(['busctl', '--address', self.environment['DBUS_SYSTEM_BUS_ADDRESS'], *arguments], check=True,
                              capture_output=True, text=True, timeout=PATIENCE).stdout

    def state(self, name):
        return self.bus_call('get-property', 'org.ispstorage.Agent1', '/org/ispstorage/Agent1', 'org.ispstorage.Agent1.Manager',
                             name).split(' ', 1)[1].strip().strip('"')

    def until(self, condition, patience=PATIENCE):
        deadline = time.monotonic() + patience
        while not condition():
            self.assertLess(time.monotonic(), deadline, 'waited in vain')
            time.sleep(0.02)



class CertificateTest(AgentTest):
    """With the tools of an authority of its own."""

    def openssl(self, *arguments):
        subprocess.run(['openssl', *arguments], check=True, capture_output=True, cwd=self.directory)

    def authority(self):
        self.openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'ca.key', '-out',
                     'ca.pem', '-subj', '/CN=ca')

    def certificate(self, name, subject='localhost', start=-1, end=30):
        """Signed by the authority, valid from and to so many days from now."""
        now = datetime.datetime.now(datetime.timezone.utc)
        dates = [(now + datetime.timedelta(days=d)).strftime('%Y%m%d%H%M%SZ') for d in (start, end)]
        self.path('ca.conf').write_text('[ca]\ndefault_ca=d\n[d]\ndatabase=index\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\n'
                                        'policy=p\ncopy_extensions=copy\nrand_serial=yes\nunique_subject=no\n[p]\ncommonName=supplied\n')
        self.path('index').write_text('')
        self.openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', f'{name}.key', '-out',
                     f'{name}.csr', '-subj', f'/CN={subject}', '-addext', f'subjectAltName=DNS:{subject}')
        self.openssl('ca', '-batch', '-config', 'ca.conf', '-cert', 'ca.pem', '-keyfile', 'ca.key', '-in', f'{name}.csr', '-out',
                     f'{name}.pem', '-startdate', dates[0], '-enddate', dates[1], '-notext')

    def configure(self, text):
        self.path('agent.conf.d').mkdir(exist_ok=True)
        self.path('agent.conf.d/test.conf').write_text(text)

    def assert_refused(self):
        """A first session that does not take place."""
        self.until(lambda: self.state_or_none('RetryCount') not in (None, '0'))
        self.assertTrue(self.acs.received.empty())

    def state_or_none(self, name):
        try:
            return self.state(name)
        except subprocess.CalledProcessError:
            return None


def main():
    global BUILD
    BUILD = os.path.abspath(sys.argv[1])
    unittest.main(argv=sys.argv[:1] + sys.argv[2:], verbosity=2)
