// Receives notices: verify, pass over what was taken, keep it, then say yes; ask again for what is missing.
//
//   WEBHOOK_SECRET=whsec_… java Receiver.java 8000 taken.txt
//
// With WARDBRIDGE (https://wardbridge.example), SUBSCRIBER (your name there) and WARDBRIDGE_TOKEN (the
// token of your own) it has sent again what it lacks: at its start what came since its last line, as after
// a restore, and later each number that stays missing.
//
// What this receiver does with a notice stands in for what yours does: it appends a line to a file. The
// line and the note that the notice is done are one write. Do the same with your database: the id, the
// number and the effect of a notice in one transaction, before the answer.

import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.Base64;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Executors;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

public class Receiver {
  static final byte[] KEY =
      Base64.getDecoder().decode(System.getenv("WEBHOOK_SECRET").replace("whsec_", ""));
  static final long LOOK_MS =
      (long) (1000 * Double.parseDouble(System.getenv().getOrDefault("LOOK_S", "30")));
  static final int ASKED_AT_MOST = 3;
  // A JSON library of yours reads the body.
  static final Pattern NUMBER = Pattern.compile("\"subscriptionsequence\":\\s*(\\d+)");

  /** The notices that are done; a line that a crash cut short is not done. */
  static class Taken {
    private final FileChannel file;
    private final Set<String> ids = new HashSet<>(); // forget those older than 90 days
    private final TreeSet<Long> numbers = new TreeSet<>();
    private final Map<Long, Integer> asked = new HashMap<>();

    Taken(Path path) throws IOException {
      file = FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
      byte[] content = Files.readAllBytes(path);
      int whole = content.length;
      while (whole > 0 && content[whole - 1] != '\n') whole--;
      file.truncate(whole);
      file.position(whole);
      new String(content, 0, whole, StandardCharsets.UTF_8).lines().forEach(this::remember);
    }

    private void remember(String line) {
      String[] parts = line.split(" ");
      numbers.add(Long.parseLong(parts[0]));
      ids.add(parts[1]);
    }

    synchronized void take(long number, String id) throws IOException {
      if (ids.contains(id)) {
        System.err.println("repeated " + number);
        return;
      }
      String line = number + " " + id;
      file.write(ByteBuffer.wrap((line + "\n").getBytes(StandardCharsets.UTF_8)));
      file.force(true);
      remember(line);
    }

    synchronized long newest() {
      return numbers.isEmpty() ? 0 : numbers.last();
    }

    /** The lowest number that has not come, though a higher one has; 0 where there is none. */
    synchronized long firstMissing() {
      for (long number = 1; number < newest(); number++) {
        if (numbers.contains(number)) continue;
        if (asked.merge(number, 1, Integer::sum) <= ASKED_AT_MOST) return number;
        // It is kept no longer, or of a ward that you may not read any more.
        System.err.println("gone " + number + " read the wards' lists");
        numbers.add(number);
      }
      return 0;
    }
  }

  /** Have the bridge send what it has sent already, from a number on. Numbers and ids stay. */
  static void askAgain(long first) throws InterruptedException {
    String bridge = System.getenv("WARDBRIDGE");
    if (bridge == null) return;
    URI uri = URI.create(bridge + "/v1/subscribers/" + System.getenv("SUBSCRIBER") + "/replay");
    HttpRequest request =
        HttpRequest.newBuilder(uri)
            .header("Authorization", "Bearer " + System.getenv("WARDBRIDGE_TOKEN"))
            .header("Content-Type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofString("{\"from\": " + first + "}"))
            .build();
    try {
      HttpResponse<String> answer =
          HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build()
              .send(request, HttpResponse.BodyHandlers.ofString());
      System.err.println("asked from " + first + " " + answer.statusCode() + " " + answer.body());
    } catch (IOException error) { // it is asked again at the next look
      System.err.println("not asked " + error);
    }
  }

  /** At the start from the last number on, then whatever stays missing from one look to the next. */
  static void lookForGaps(Taken taken) {
    try {
      askAgain(taken.newest() + 1);
      long before = 0;
      while (true) {
        long missing = taken.firstMissing();
        if (missing != 0 && missing == before) askAgain(missing);
        before = missing;
        Thread.sleep(LOOK_MS);
      }
    } catch (InterruptedException ended) {
      Thread.currentThread().interrupt();
    }
  }

  static boolean isGenuine(Headers headers, byte[] body) throws GeneralSecurityException {
    String id = headers.getFirst("webhook-id");
    String at = headers.getFirst("webhook-timestamp");
    String signatures = headers.getFirst("webhook-signature");
    if (id == null || at == null || signatures == null) return false;
    if (Math.abs(Instant.now().getEpochSecond() - Long.parseLong(at)) > 300) return false;
    Mac mac = Mac.getInstance("HmacSHA256");
    mac.init(new SecretKeySpec(KEY, "HmacSHA256"));
    mac.update((id + "." + at + ".").getBytes(StandardCharsets.UTF_8));
    byte[] wanted = mac.doFinal(body);
    for (String signature : signatures.split(" ")) {
      byte[] given = Base64.getDecoder().decode(signature.replace("v1,", ""));
      if (MessageDigest.isEqual(given, wanted)) return true;
    }
    return false;
  }

  static void receive(HttpExchange exchange, Taken taken) throws IOException {
    try (exchange) {
      byte[] body = exchange.getRequestBody().readAllBytes();
      if (!isGenuine(exchange.getRequestHeaders(), body)) {
        exchange.sendResponseHeaders(401, -1);
        return;
      }
      Matcher number = NUMBER.matcher(new String(body, StandardCharsets.UTF_8));
      if (number.find()) { // a test event has none
        String id = exchange.getRequestHeaders().getFirst("webhook-id");
        taken.take(Long.parseLong(number.group(1)), id);
      }
      exchange.sendResponseHeaders(204, -1);
    } catch (GeneralSecurityException | IllegalArgumentException error) {
      exchange.sendResponseHeaders(401, -1);
    }
  }

  public static void main(String[] arguments) throws IOException {
    Taken taken = new Taken(Path.of(arguments[1]));
    int port = Integer.parseInt(arguments[0]);
    HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 0);
    server.setExecutor(Executors.newFixedThreadPool(8));
    server.createContext("/", exchange -> receive(exchange, taken));
    server.start();
    Thread looking = new Thread(() -> lookForGaps(taken));
    looking.setDaemon(true);
    looking.start();
  }
}
