"""The Kafka engine: a cluster of brokers as the log. ``bus.kafka.log`` is where to begin."""

from bus.kafka.log import KafkaLog
from bus.kafka.settings import KafkaSettings, KafkaTls, Sasl

__all__ = ["KafkaLog", "KafkaSettings", "KafkaTls", "Sasl"]
