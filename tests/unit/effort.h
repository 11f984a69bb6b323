/* How often a loop of random input runs. ThreadSanitizer looks for races, which a single thread has
 * none of, and makes everything twenty times slower: under it such loops run a tenth as often. */
#ifndef TESTS_UNIT_EFFORT_H
#define TESTS_UNIT_EFFORT_H

#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#define EFFORT_STRIDE 10
#endif
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define EFFORT_SANITIZED 1
#endif
#endif
#if !defined EFFORT_STRIDE && defined __SANITIZE_THREAD__
#define EFFORT_STRIDE 10
#endif
#if defined __SANITIZE_THREAD__ || defined __SANITIZE_ADDRESS__
#define EFFORT_SANITIZED 1
#endif
#ifndef EFFORT_STRIDE
#define EFFORT_STRIDE 1
#endif
#ifndef EFFORT_SANITIZED
#define EFFORT_SANITIZED 0
#endif

#define EFFORT_ROUNDS(full) ((full) / EFFORT_STRIDE)

#endif
