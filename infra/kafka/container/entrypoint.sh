#!/bin/sh
# Formats the volume at the first start, then becomes Kafka: its signals, its exit code.
#
# MABOS_ADVERTISED_LISTENER  HOST:PORT where clients reach this container; without it, 127.0.0.1:9092.
# MABOS_CLUSTER_ID           22 characters, for the first start only; without it, a fresh one.
# Arguments go to Kafka, such as: --override log.retention.hours=24
set -eu

home=/opt/kafka
data=/var/lib/kafka/data

if [ ! -e "$data/meta.properties" ]; then
    # 21 random characters and an A are 16 bytes in base64 without padding: what Kafka takes for a cluster id.
    fresh=$(tr -dc 'A-Za-z0-9' </dev/urandom | head -c 21)A
    /opt/java/bin/java -XX:TieredStopAtLevel=1 @"$home/jvm.options" kafka.tools.StorageTool format \
        --config "$home/server.properties" --cluster-id "${MABOS_CLUSTER_ID:-$fresh}"
fi

if [ -n "${MABOS_ADVERTISED_LISTENER:-}" ]; then
    listeners=PLAINTEXT://$MABOS_ADVERTISED_LISTENER,INTERNAL://127.0.0.1:9094
    set -- --override "advertised.listeners=$listeners" "$@"
fi

exec /opt/java/bin/java @"$home/jvm.options" kafka.Kafka "$home/server.properties" "$@"
