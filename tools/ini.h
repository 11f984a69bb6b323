/* Lines of an INI file. */
#ifndef TRIGPERF_TOOL_INI_H
#define TRIGPERF_TOOL_INI_H

/* Called for each [section] (name and value NULL) and each `name = value` below it; returns an exit
 * code, and a message was printed when it is not 0. */
typedef int (*ini_line)(void *user, const char *section, const char *name, char *value);

/* Reads a file; "-" is standard input. Returns an exit code. After a failure of the callback the
 * line is named. */
int ini_read(const char *path, ini_line on_line, void *user);

#endif
