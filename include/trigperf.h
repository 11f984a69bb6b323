/**
 * @file trigperf.h
 * @brief Everything: includes the headers of all concepts.
 */
#ifndef TRIGPERF_H
#define TRIGPERF_H

#include <trigperf/admin.h>
#include <trigperf/alert.h>
#include <trigperf/batch.h>
#include <trigperf/cache.h>
#include <trigperf/config.h>
#include <trigperf/context.h>
#include <trigperf/dedup.h>
#include <trigperf/error.h>
#include <trigperf/fence.h>
#include <trigperf/health.h>
#include <trigperf/histogram.h>
#include <trigperf/kpi.h>
#include <trigperf/push.h>
#include <trigperf/reading.h>
#include <trigperf/series.h>
#include <trigperf/validator.h>
#include <trigperf/version.h>

#endif
