// Loaded before everything else: libuv reads it at its first use. Names are looked up on its threads, of which slow
// ones may take half: with the usual four, two receivers with dead name servers would hold up those of all others.
process.env.UV_THREADPOOL_SIZE ??= '64';
