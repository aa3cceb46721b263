#!/bin/sh
# These variables mean what they mean to the official scripts: lists of options, split at spaces.
# shellcheck disable=SC2086  # split on purpose
exec java ${KAFKA_HEAP_OPTS:--Xmx256M} ${KAFKA_JVM_PERFORMANCE_OPTS:-} ${KAFKA_LOG4J_OPTS:-} ${KAFKA_OPTS:-} -cp "/opt/kafka/libs/*" "$@"
