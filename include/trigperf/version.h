/**
 * @file version.h
 * @brief Version of the library.
 */
#ifndef TRIGPERF_VERSION_H
#define TRIGPERF_VERSION_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/**
 * @brief Version of the running library, such as `"0.1.0"`.
 * @return a static string. Any thread.
 */
const char *trigperf_version(void);

/**
 * @brief Version as one number, for comparisons: major * 10000 + minor * 100 + patch.
 * @return the number. Any thread.
 */
int32_t trigperf_version_number(void);

/**
 * @brief Version of the database schema that this library installs and works with.
 * @return the number of the newest migration, from 1. Any thread.
 */
int32_t trigperf_schema_version(void);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
