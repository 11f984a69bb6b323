/* A key value is the same text whatever the writer's session says. What a host receives:
 *
 *   smallint, integer, bigint        decimal digits: 42
 *   uuid                             lower case, hyphens: 3f2504e0-4f89-41d3-9a0c-0305e82c3301
 *   boolean                          true, false
 *   numeric                          as stored, with its scale: 1.00 and 1.0 are different keys
 *   real, double precision           shortest digits that give the same number back
 *   text, varchar, name, citext      as stored: two spellings of a citext are different keys
 *   char(n)                          without the trailing blanks that pad it
 *   enum                             its label
 *   date, time, timestamp            ISO: 2024-03-01, 12:30:00.5, 2024-03-01 12:30:00
 *   timestamptz                      ISO in UTC: 2024-03-01 11:30:00+00
 *   interval                         style postgres: 1 day 02:00:00
 *   bytea                            hexadecimal: \x00ff
 *   money                            in the locale C
 *   json                             as stored; jsonb: as the server prints it
 *   arrays, ranges, composites ..    the server's text form, elements as above
 *   expressions                      cast to text, under all of the settings below
 *   NULL                             NULL: a template that uses it yields no key
 *
 * Domains are told like the type beneath. Numbers of built-in types are the same in every server.
 * A type that is not known here is rendered with every setting fixed: right, and a few microseconds
 * slower. */
#include "db/rendering.h"

#include <stddef.h>
#include <string.h>

#include "db/capture.h"

typedef struct known {
    uint32_t type;
    uint32_t rendering;
} known;

static const known texts[] = {
    {16, 0},   /* bool */
    {18, 0},   /* "char" */
    {19, 0},   /* name */
    {25, 0},   /* text */
    {26, 0},   /* oid */
    {114, 0},  /* json */
    {142, 0},  /* xml */
    {650, 0},  /* cidr */
    {774, 0},  /* macaddr8 */
    {829, 0},  /* macaddr */
    {869, 0},  /* inet */
    {1042, 0}, /* bpchar */
    {1043, 0}, /* varchar */
    {1560, 0}, /* bit */
    {1562, 0}, /* varbit */
    {1700, 0}, /* numeric */
    {3802, 0}, /* jsonb */
    {3904, 0}, /* int4range */
    {3906, 0}, /* numrange */
    {3926, 0}, /* int8range */
    {5069, 0}, /* xid8 */
    {20, 0},   /* as array elements: bigint, smallint, integer, uuid */
    {21, 0},
    {23, 0},
    {2950, 0},
    {17, TP_RENDER_BYTEA},
    {600, TP_RENDER_FLOAT},                           /* point */
    {601, TP_RENDER_FLOAT},                           /* lseg */
    {602, TP_RENDER_FLOAT},                           /* path */
    {603, TP_RENDER_FLOAT},                           /* box */
    {604, TP_RENDER_FLOAT},                           /* polygon */
    {628, TP_RENDER_FLOAT},                           /* line */
    {700, TP_RENDER_FLOAT},                           /* real */
    {701, TP_RENDER_FLOAT},                           /* double precision */
    {718, TP_RENDER_FLOAT},                           /* circle */
    {790, TP_RENDER_MONEY},                           /* money */
    {1082, TP_RENDER_DATESTYLE},                      /* date */
    {1083, TP_RENDER_DATESTYLE},                      /* time */
    {1114, TP_RENDER_DATESTYLE},                      /* timestamp */
    {1184, TP_RENDER_DATESTYLE | TP_RENDER_TIMEZONE}, /* timestamptz */
    {1186, TP_RENDER_INTERVAL},                       /* interval */
    {1266, TP_RENDER_DATESTYLE},                      /* timetz */
};

static uint32_t rendering_of(uint32_t type) {
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i].type == type) {
            return texts[i].rendering;
        }
    }
    return TP_RENDER_ALL;
}

void tp_rendering_of(uint32_t type, char form, const char *name, uint32_t element, uint32_t *kind,
                     uint32_t *rendering) {
    bool integer = type == 20 || type == 21 || type == 23;
    *kind = integer ? TP_KEY_INT : type == 2950 ? TP_KEY_UUID : TP_KEY_TEXT;
    bool plain = form == 'e' || strcmp(name, "citext") == 0;
    *rendering = plain ? 0 : element != 0 ? rendering_of(element) : rendering_of(type);
}
