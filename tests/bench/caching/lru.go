// hashicorp's golang-lru: get-or-insert, keys of sixteen bytes. lru FILE CAPACITY OPERATIONS
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"

	"github.com/hashicorp/golang-lru/simplelru"
)

func keyOf(number uint32) (key [16]byte) {
	binary.LittleEndian.PutUint64(key[:8], (uint64(number)+1)*0x9E3779B97F4A7C15)
	binary.LittleEndian.PutUint64(key[8:], ^uint64(number))
	return
}

func run(cache *simplelru.LRU, ids []byte) int {
	hits := 0
	for i := 0; i < len(ids); i += 4 {
		key := keyOf(binary.LittleEndian.Uint32(ids[i:]))
		if _, found := cache.Get(key); found {
			hits++
		} else {
			cache.Add(key, uint32(1))
		}
	}
	return hits
}

func seconds() float64 {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

func used() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func main() {
	ids, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	capacity, _ := strconv.Atoi(os.Args[2])
	count, _ := strconv.Atoi(os.Args[3])
	before := used()
	cache, _ := simplelru.NewLRU(capacity, nil)
	run(cache, ids[:4*count])
	began := seconds()
	hits := run(cache, ids[4*count:8*count])
	took := seconds() - began
	bytes := float64(used()-before) / float64(capacity)
	fmt.Printf("%.0f %.6f %.3f\n", float64(count)/took, float64(hits)/float64(count), bytes)
	runtime.KeepAlive(cache)
	runtime.KeepAlive(ids)
}
