/* Time limits that a role or database may have for its sessions. Ours last as long as the context,
 * and what waits in them waits by the context's own limits. Servers before 17 lack the last one. */
#ifndef TP_PG_LIMITS_H
#define TP_PG_LIMITS_H

#define TP_PG_NO_LIMITS                                                                            \
    "('statement_timeout', '0'), ('idle_session_timeout', '0'), ('transaction_timeout', '0')"

/* After rows of name and value, called s. */
#define TP_PG_WHERE_KNOWN " WHERE pg_catalog.current_setting(s.name, true) IS NOT NULL"

#endif
