import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayInputStream;
import java.io.PrintStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.ArrayList;
import java.util.List;

/** Java's client as it comes: it asks for HTTP/2 with every request. */
class Client {
    public static void main(String[] arguments) throws Exception {
        var client = HttpClient.newHttpClient();
        var output = new PrintStream(System.out, true, UTF_8);
        for (var line : new String(System.in.readAllBytes(), UTF_8).split("\n")) {
            var fields = line.split("\t", -1);
            var body = fields[2].getBytes(UTF_8);
            BodyPublisher publisher = body.length == 0 ? BodyPublishers.noBody() : BodyPublishers.ofByteArray(body);
            var request = HttpRequest.newBuilder(URI.create(arguments[0] + fields[1]));
            for (var i = 3; i < fields.length; i++) {
                var header = fields[i].split(": ", 2);
                switch (header[0]) {
                    case "Transfer-Encoding" ->
                        publisher = BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(body));
                    case "Expect" -> request.expectContinue(true);
                    default -> request.header(header[0], header[1]);
                }
            }
            var answer = client.send(request.method(fields[0], publisher).build(), BodyHandlers.ofString());
            var told = new ArrayList<>(List.of(String.valueOf(answer.statusCode()), answer.body()));
            answer.headers().map().forEach((name, values) -> values.forEach(value -> told.add(name + ": " + value)));
            output.println(String.join("\t", told));
        }
    }
}
