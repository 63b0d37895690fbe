// Loaded into a hub's process before the hub itself: no hub outlives the test that started it, however that ends.
import { connect } from 'node:net';

const end = () => process.kill(process.pid, 'SIGKILL');

// The end of the worker that started it.
process.once('disconnect', end);
if (!process.connected) end();

// The end of the whole run: a worker of a run that was killed lives on while its test waits for something.
const run = connect(Number(process.env.TEST_KAFKA_PORT), '127.0.0.1');
run.on('error', () => undefined);
run.once('close', end);
run.unref();
