// An SMSC that is not ours: npm's smpp as a server. node smsc.js PORT [FILE WITH KEY AND CERTIFICATE]
//
// Every PDU that comes is a line of JSON on the output. A line of JSON on the input is the fields of a
// deliver_sm to every bound transceiver; the status of its answer is a line too. It throttles by the number:
// everything to …199, each part after the first to …198, and to …197 as often as it has parts before it.
const fs = require('fs');
const readline = require('readline');
const smpp = require('smpp');

const [port, file] = process.argv.slice(2);
const pem = file && fs.readFileSync(file);
const sessions = new Set();
const tries = {};
let count = 0;

function isThrottled({destination_addr: to, short_message: text}) {
  const part = text?.udh ? text.udh[0][4] : 1;
  const key = `${to} ${part}`;
  tries[key] = (tries[key] || 0) + 1;
  return to === '12025550199' || (to === '12025550198' && part > 1) || (to === '12025550197' && tries[key] < part);
}

const say = (fields) => process.stdout.write(JSON.stringify(fields) + '\n');

const server = smpp.createServer(pem ? {key: pem, cert: pem} : {}, (session) => {
  session.on('error', (error) => say({error: error.message}));
  session.on('close', () => sessions.delete(session));
  session.on('pdu', (pdu) => {
    say({...pdu});
    if (pdu.isResponse()) return;
    const wrong = pdu.command.startsWith('bind_') && pdu.password !== 'secret';
    const throttled = pdu.command === 'submit_sm' && isThrottled(pdu);
    const status = wrong ? smpp.ESME_RBINDFAIL : throttled ? smpp.ESME_RTHROTTLED : 0;
    if (pdu.command === 'bind_transceiver' && !wrong) sessions.add(session);
    const id = pdu.command === 'submit_sm' ? {message_id: `node-${++count}`} : {};
    session.send(pdu.response({command_status: status, ...id}));
    if (pdu.command === 'unbind') session.close();
  });
});
server.listen(Number(port), '127.0.0.1', () => say({listening: true}));

readline.createInterface({input: process.stdin}).on('line', (line) => {
  const fields = JSON.parse(line);
  for (const name of ['short_message', 'message_payload']) {
    if (fields[name]?.hex) fields[name] = Buffer.from(fields[name].hex, 'hex');
  }
  for (const session of sessions) session.deliver_sm(fields, (answer) => say({answered: answer.command_status}));
});
