// npm's lru-cache: get-or-insert; its keys are numbers, which it is quickest with. lru FILE CAPACITY OPERATIONS
'use strict';

const fs = require('fs');
const { LRUCache } = require('lru-cache');

const [file, capacity, count] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const bytes = fs.readFileSync(file);
const ids = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);

function run(cache, from, to) {
    let hits = 0;
    for (let i = from; i < to; i++) {
        if (cache.get(ids[i]) !== undefined) hits++;
        else cache.set(ids[i], 1);
    }
    return hits;
}

function used() {
    if (global.gc) global.gc();
    const memory = process.memoryUsage();
    return memory.heapUsed + memory.arrayBuffers;
}

const before = used();
const cache = new LRUCache({ max: capacity });
run(cache, 0, count);
const began = process.cpuUsage();
const hits = run(cache, count, 2 * count);
const took = process.cpuUsage(began);
const each = (used() - before) / capacity;
console.log((count / (took.user + took.system) * 1e6).toFixed(0), (hits / count).toFixed(6), each.toFixed(3));
