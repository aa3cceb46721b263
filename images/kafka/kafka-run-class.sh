#!/bin/sh
# KAFKA_HEAP_OPTS and KAFKA_LOG4J_OPTS mean what they mean to the official scripts.
exec java ${KAFKA_HEAP_OPTS:--Xmx256M} ${KAFKA_LOG4J_OPTS:-} -cp "/opt/kafka/libs/*" "$@"
