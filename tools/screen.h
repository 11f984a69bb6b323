/* The terminal while something is drawn on it: another screen, keys one by one, and back. */
#ifndef TRIGPERF_TOOL_SCREEN_H
#define TRIGPERF_TOOL_SCREEN_H

#include <stdbool.h>
#include <stddef.h>

/* Whether standard output is a terminal that can be drawn on. */
bool screen_possible(void);

/* Takes the terminal over; false when that cannot be. Between the two, screen_resized() is a
 * descriptor that is readable when the size changed (-1: none). */
bool screen_begin(void);
void screen_end(void);
int screen_resized(void);
void screen_took_resize(void);

void screen_size(size_t *rows, size_t *columns);

/* Draws lines, each cut to the width; what was there before goes. A line may begin with one of the
 * styles, which are left out where colours are not wanted. */
#define STYLE_HEAD "\001"
#define STYLE_WARNING "\002"
#define STYLE_CRITICAL "\003"
#define STYLE_DIM "\004"
void screen_draw(const char *const *lines, size_t count);

/* When the input is readable: whether a key ends the program (q, Q, Ctrl-C, Escape, Ctrl-D), or the
 * input itself has ended. */
bool screen_quits(void);

/* Text of any origin, cut or filled with blanks to exactly so many columns. The caller frees it. */
char *screen_fit(const char *text, size_t columns);

#endif
