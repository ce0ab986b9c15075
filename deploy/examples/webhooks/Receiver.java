// Receives notices: verify, skip what was seen, keep it, then say yes.
//
//   WEBHOOK_SECRET=whsec_… java Receiver.java 8000

import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.Base64;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

public class Receiver {
  static final byte[] KEY =
      Base64.getDecoder().decode(System.getenv("WEBHOOK_SECRET").replace("whsec_", ""));
  static final Set<String> SEEN = ConcurrentHashMap.newKeySet(); // yours is a unique key of a table

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

  static void receive(HttpExchange exchange) throws IOException {
    try (exchange) {
      byte[] body = exchange.getRequestBody().readAllBytes();
      if (!isGenuine(exchange.getRequestHeaders(), body)) {
        exchange.sendResponseHeaders(401, -1);
        return;
      }
      // A JSON library of yours reads the body; the id is also in a header.
      if (SEEN.add(exchange.getRequestHeaders().getFirst("webhook-id"))) {
        System.out.println(new String(body, StandardCharsets.UTF_8));
      }
      exchange.sendResponseHeaders(204, -1);
    } catch (GeneralSecurityException | IllegalArgumentException error) {
      exchange.sendResponseHeaders(401, -1);
    }
  }

  public static void main(String[] arguments) throws IOException {
    int port = Integer.parseInt(arguments[0]);
    HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 0);
    server.createContext("/", Receiver::receive);
    server.start();
  }
}
