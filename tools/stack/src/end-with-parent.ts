// Preloaded into each service of the local stack: whoever loses the stack that started it ends, as on SIGTERM.
process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'));
process.channel?.unref();
