/* The same with npm's hdr-histogram-js, in JavaScript and in WebAssembly, on one thread. Prints lines
 * of `name threads ns`. */
'use strict';

const hdr = require(process.env.BENCH_NODE_MODULES + '/hdr-histogram-js');

const VALUES = 4096;
const RECORDS = 1 << 20;
const rounds = Number(process.argv[2] || 5);

const values = [];
for (let i = 0; i < VALUES; i++) {
    let sum = 0;
    for (let j = 0; j < 12; j++) {
        sum += Math.random();
    }
    values.push(Math.floor(1e6 * Math.exp(sum - 6)));
}

function measure(name, useWebAssembly) {
    const histogram = hdr.build({
        lowestDiscernibleValue: 1,
        highestTrackableValue: 2 ** 37,
        numberOfSignificantValueDigits: 2,
        useWebAssembly,
    });
    let best = Infinity;
    for (let round = 0; round <= rounds; round++) {
        const began = process.cpuUsage();
        for (let i = 0; i < RECORDS; i++) {
            histogram.recordValue(values[i % VALUES]);
        }
        const used = process.cpuUsage(began);
        best = Math.min(best, ((used.user + used.system) * 1000) / RECORDS);
    }
    console.log(`${name} 1 ${best.toFixed(4)}`);
}

hdr.initWebAssembly().then(() => {
    measure('javascript', false);
    measure('webassembly', true);
});
