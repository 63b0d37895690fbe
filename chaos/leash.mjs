// Loaded into a hub's process before the hub itself: no hub outlives the run that started it, however that ends.
const end = () => process.kill(process.pid, 'SIGKILL');

process.once('disconnect', end);
// The run may have ended before anybody listened.
if (!process.connected) end();
