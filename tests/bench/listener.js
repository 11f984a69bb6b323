// Listens with pg-listen, for measuring: node listener.js drain COUNT | follow
// Output as of listener.py. pg-listen parses the payload as JSON by itself.
const path = require("path");
const modules = process.env.BENCH_NODE_MODULES;
const listen = require(path.join(modules, "pg-listen"));
const createSubscriber = listen.default || listen;

const [mode, count] = [process.argv[2], Number(process.argv[3] || 0)];
const cpu = () => { const used = process.cpuUsage(); return used.user + used.system; };
const now = () => process.hrtime.bigint();

async function main() {
  const subscriber = createSubscriber({ host: process.env.PGHOST, port: process.env.PGPORT,
    user: process.env.PGUSER, database: process.env.PGDATABASE });
  const notes = [];
  let changes = 0, sum = 0, before = 0;
  subscriber.events.on("error", (error) => { console.error(error); process.exit(1); });
  subscriber.notifications.on("bench", (payload) => {
    if (mode !== "drain") {
      notes.push(`${payload.id} ${now()}`);
      return;
    }
    sum += payload.id;
    if (++changes === count) {
      const [moment, used] = [now(), cpu() - before];
      process.stdout.write(`${changes} ${sum} 0 ${moment} ${used}\n`, () => process.exit(0));
    }
  });
  process.on("SIGTERM", () => {
    process.stdout.write(notes.map((note) => note + "\n").join(""), () => process.exit(0));
  });
  await subscriber.connect();
  await subscriber.listenTo("bench");
  before = cpu();
  process.stdout.write("ready\n");
}

main();
