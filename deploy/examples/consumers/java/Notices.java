import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.cloudevents.CloudEvent;
import io.cloudevents.kafka.CloudEventDeserializer;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Follows the notices of wardbridge on Kafka: an example to start from.
 *
 * <p>{@code KAFKA_BROKERS=host:9092 java -cp 'lib/*' Notices.java handled.jsonl}
 *
 * <p>What this consumer does with a notice stands in for what yours does: it appends a line to a
 * file. The line and the note that the notice is done are one write, so a crash between doing and
 * committing makes Kafka bring the notice again, and the file says that it is done already. Do the
 * same with your database: the id of the notice and its effect in one transaction.
 */
public final class Notices {
  private static final ObjectMapper JSON = new ObjectMapper();

  private Notices() {}

  public static void main(String[] arguments) throws Exception {
    Map<String, String> environment = System.getenv();
    Map<String, Object> settings =
        Map.of(
            ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, environment.get("KAFKA_BROKERS"),
            ConsumerConfig.GROUP_ID_CONFIG, environment.getOrDefault("GROUP", "example-java"),
            // What a router gave up half way is never seen.
            ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed",
            ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false,
            ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
    String topic = environment.getOrDefault("TOPIC", "wardbridge.designations");
    // The deserializer reads either mode, structured or binary.
    var consumer =
        new KafkaConsumer<>(settings, new StringDeserializer(), new CloudEventDeserializer());
    endOnSignal(consumer);
    try (consumer;
        var handled = new Handled(Path.of(arguments[0]))) {
      consumer.subscribe(List.of(topic));
      follow(consumer, handled);
    } catch (WakeupException told) {
      // SIGTERM or SIGINT: what is not committed comes again.
    }
  }

  private static void follow(KafkaConsumer<String, CloudEvent> consumer, Handled handled)
      throws IOException {
    while (true) {
      var batch = consumer.poll(Duration.ofMillis(500));
      for (var record : batch) {
        handled.take(record.value());
      }
      if (!batch.isEmpty()) {
        consumer.commitSync(); // after all of it is done, never before
      }
    }
  }

  /** The virtual machine ends when its hooks have ended: the main thread gets time to close. */
  private static void endOnSignal(KafkaConsumer<?, ?> consumer) {
    Thread main = Thread.currentThread();
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  consumer.wakeup();
                  try {
                    main.join(10_000);
                  } catch (InterruptedException hurried) {
                    Thread.currentThread().interrupt();
                  }
                }));
  }

  /** The notices that are done, in a file; a line that a crash cut short is not done. */
  private static final class Handled implements AutoCloseable {
    private final RandomAccessFile file;
    private final Set<String> ids = new HashSet<>(); // forget those older than 90 days
    private final Map<String, Long> last = new HashMap<>(); // by ward

    Handled(Path path) throws IOException {
      file = new RandomAccessFile(path.toFile(), "rwd"); // each write is on the disk
      byte[] content = new byte[(int) file.length()];
      file.readFully(content);
      String text = new String(content, StandardCharsets.UTF_8);
      String whole = text.substring(0, text.lastIndexOf('\n') + 1);
      for (String line : whole.lines().toList()) {
        remember(JSON.readTree(line));
      }
      file.setLength(whole.getBytes(StandardCharsets.UTF_8).length);
      file.seek(file.length());
    }

    /** Do what a notice asks for, once. */
    void take(CloudEvent event) throws IOException {
      if (ids.contains(event.getId())) {
        System.err.println("repeated " + event.getId());
        return;
      }
      JsonNode data = JSON.readTree(event.getData().toBytes());
      JsonNode done =
          JSON.createObjectNode()
              .put("id", event.getId())
              .put("ward", data.get("ward").asText())
              .put("sequence", data.get("sequence").asLong())
              .put("kind", data.get("kind").asText());
      lookForGap(done.get("ward").asText(), done.get("sequence").asLong());
      file.write((done + "\n").getBytes(StandardCharsets.UTF_8));
      remember(done);
    }

    /** A ward's notices are numbered 1, 2, 3, …; after a gap read its list again over HTTP. */
    private void lookForGap(String ward, long sequence) {
      long expected = last.getOrDefault(ward, sequence - 1) + 1;
      if (sequence != expected) {
        System.err.printf("gap %s: %d instead of %d%n", ward, sequence, expected);
      }
    }

    private void remember(JsonNode done) {
      ids.add(done.get("id").asText());
      last.put(done.get("ward").asText(), done.get("sequence").asLong());
    }

    @Override
    public void close() throws IOException {
      file.close();
    }
  }
}
