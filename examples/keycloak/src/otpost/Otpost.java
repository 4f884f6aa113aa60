package otpost;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.Map;

/** The two calls of Otpost's API. */
record Otpost(String server, String key) {
    private static final HttpClient CLIENT =
            HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(3)).build();
    private static final ObjectMapper JSON = new ObjectMapper();

    /** The status and the body. An error has a body, too. */
    record Answer(int status, JsonNode body) {
        String text(String name) {
            return body.path(name).asText();
        }
    }

    /** Send a code. The answer is 202, with the id of the verification. */
    Answer start(String phone, String purpose, String locale, String clientIp) throws IOException {
        return post(
                "/v1/verifications",
                Map.of("phone", phone, "purpose", purpose, "locale", locale, "client_ip", clientIp));
    }

    /** Check a guess. The answer is 200, and its status is valid, invalid, expired or blocked. */
    Answer check(String id, String code, String clientIp) throws IOException {
        return post("/v1/verifications/" + id + "/check", Map.of("code", code, "client_ip", clientIp));
    }

    private Answer post(String path, Map<String, String> body) throws IOException {
        HttpRequest request = HttpRequest.newBuilder(URI.create(server + path))
                .timeout(Duration.ofSeconds(10))
                .header("Authorization", "Bearer " + key)
                .header("Content-Type", "application/json")
                .POST(BodyPublishers.ofString(JSON.writeValueAsString(body)))
                .build();
        try {
            HttpResponse<String> answer = CLIENT.send(request, BodyHandlers.ofString());
            return new Answer(answer.statusCode(), JSON.readTree(answer.body()));
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException();
        }
    }
}
