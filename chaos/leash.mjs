// Loaded into a hub's process before the hub itself: no hub outlives the run that started it, however that ends.
process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'));
