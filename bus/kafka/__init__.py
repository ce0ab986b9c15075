"""The Kafka engine: a cluster of brokers as the log. ``bus.kafka.log`` is where to begin."""

from bus.kafka.log import KafkaLog
from bus.kafka.settings import KafkaSettings, Sasl, Tls

__all__ = ["KafkaLog", "KafkaSettings", "Sasl", "Tls"]
