// The crate lru: get-or-insert, keys of sixteen bytes. lru FILE CAPACITY OPERATIONS
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

struct Counting;
static USED: AtomicUsize = AtomicUsize::new(0);

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        USED.fetch_add(layout.size(), Ordering::Relaxed);
        System.alloc(layout)
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        USED.fetch_sub(layout.size(), Ordering::Relaxed);
        System.dealloc(at, layout)
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

extern "C" {
    fn clock() -> i64;
}

fn key_of(number: u32) -> [u8; 16] {
    let mut key = [0u8; 16];
    let first = (number as u64 + 1).wrapping_mul(0x9E3779B97F4A7C15);
    key[..8].copy_from_slice(&first.to_le_bytes());
    key[8..].copy_from_slice(&(!(number as u64)).to_le_bytes());
    key
}

fn run(cache: &mut lru::LruCache<[u8; 16], u32>, ids: &[u8]) -> usize {
    let mut hits = 0;
    for id in ids.chunks_exact(4) {
        let key = key_of(u32::from_le_bytes([id[0], id[1], id[2], id[3]]));
        if cache.get(&key).is_some() {
            hits += 1;
        } else {
            cache.put(key, 1);
        }
    }
    hits
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let ids = std::fs::read(&arguments[1]).unwrap();
    let capacity: usize = arguments[2].parse().unwrap();
    let count: usize = arguments[3].parse().unwrap();
    let before = USED.load(Ordering::Relaxed);
    let mut cache = lru::LruCache::new(capacity);
    run(&mut cache, &ids[..4 * count]);
    let began = unsafe { clock() };
    let hits = run(&mut cache, &ids[4 * count..8 * count]);
    let took = unsafe { clock() } - began;
    let bytes = (USED.load(Ordering::Relaxed) - before) as f64 / capacity as f64;
    println!("{:.0} {:.6} {:.3}", count as f64 * 1e6 / took as f64, hits as f64 / count as f64, bytes);
}
