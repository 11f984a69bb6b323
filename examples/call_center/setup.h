/* The database of the example: tables, rows, and which of their changes mean which cache keys. */
#ifndef EXAMPLES_CALL_CENTER_SETUP_H
#define EXAMPLES_CALL_CENTER_SETUP_H

#include <stdbool.h>
#include <stdint.h>
#include <trigperf.h>

#include "options.h"

/* Creates schema call_center in a database that has none yet; says on stderr why not. */
bool setup_tables(const cc_options *options);

/* Installs the library's schema and attaches the tables. */
bool setup_attach(const cc_options *options);

/* How many cache keys one change yields whose key of that name has a value. */
uint32_t setup_rules_over(const char *table, const char *key_name);

/* A configuration for the database of the example; NULL after a failure, said on stderr. */
trigperf_config *setup_config(const cc_options *options);

/* Prints "call_center: WHAT: message (hint)" and releases the error. */
void setup_complain(const char *what, trigperf_error *error);

#endif
