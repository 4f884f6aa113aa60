import jakarta.ws.rs.core.MultivaluedMap;
import jakarta.ws.rs.core.Response;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.reflect.Proxy;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.function.Function;
import org.keycloak.authentication.AuthenticationFlowContext;
import org.keycloak.authentication.Authenticator;
import org.keycloak.authentication.AuthenticatorFactory;
import org.keycloak.common.ClientConnection;
import org.keycloak.events.EventBuilder;
import org.keycloak.forms.login.LoginFormsProvider;
import org.keycloak.http.HttpRequest;
import org.keycloak.models.AuthenticatorConfigModel;
import org.keycloak.models.KeycloakContext;
import org.keycloak.models.KeycloakSession;
import org.keycloak.models.UserModel;
import org.keycloak.sessions.AuthenticationSessionModel;

/**
 * One login, of which Keycloak's part is played here: Login SERVER KEY PHONE. Each line that it reads is a step, "open"
 * or the fields of a form as name=value; each that it prints is what came of it.
 */
public class Login {
    /** A form of Keycloak's, as its template and the message above it. */
    private static class Page extends Response {
        String error = "";
        String template = "";
    }

    private static final Map<String, String> NOTES = new HashMap<>();
    private static Map<String, String> fields;
    private static String outcome;

    public static void main(String[] args) throws Exception {
        AuthenticatorFactory factory = ServiceLoader.load(AuthenticatorFactory.class).findFirst().orElseThrow();
        Authenticator authenticator = factory.create(null);
        UserModel user = made(UserModel.class, Map.of(
                "getFirstAttribute", with -> with[0].equals("phoneNumber") ? args[2] : null));
        AuthenticationFlowContext context = context(user, Map.of("server", args[0], "key", args[1]));
        boolean configured = authenticator.configuredFor(null, null, user);
        System.out.println(factory.getId() + (configured ? " configured" : " not configured"));
        var lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            outcome = "nothing";
            fields = new HashMap<>();
            if (line.equals("open")) {
                authenticator.authenticate(context);
            } else {
                fields.put(line.split("=")[0], line.split("=")[1]);
                authenticator.action(context);
            }
            System.out.println(outcome);
        }
    }

    private static AuthenticationFlowContext context(UserModel user, Map<String, String> given) {
        var config = new AuthenticatorConfigModel();
        config.setConfig(given);
        MultivaluedMap<?, ?> form = made(MultivaluedMap.class, Map.of(
                "getFirst", with -> fields.get(with[0]), "containsKey", with -> fields.containsKey(with[0])));
        KeycloakContext about = made(KeycloakContext.class, Map.of("resolveLocale", with -> Locale.GERMAN));
        AuthenticationSessionModel session = made(AuthenticationSessionModel.class, Map.of(
                "getAuthNote", with -> NOTES.get(with[0]),
                "setAuthNote", with -> NOTES.put((String) with[0], (String) with[1]),
                "removeAuthNote", with -> NOTES.remove(with[0])));
        var request = made(HttpRequest.class, Map.of("getDecodedFormParameters", with -> form));
        var keycloak = made(KeycloakSession.class, Map.of("getContext", with -> about));
        var connection = made(ClientConnection.class, Map.of("getRemoteAddr", with -> "203.0.113.9"));
        Map<String, Function<Object[], Object>> does = new HashMap<>(Map.of(
                "getUser", with -> user,
                "getAuthenticatorConfig", with -> config,
                "getAuthenticationSession", with -> session,
                "getHttpRequest", with -> request,
                "getSession", with -> keycloak,
                "getConnection", with -> connection,
                "getEvent", with -> new EventBuilder(),
                "form", with -> forms()));
        does.put("success", with -> outcome = "success");
        does.put("challenge", with -> outcome = shown("challenge", with[0]));
        does.put("failureChallenge", with -> outcome = shown(with[0].toString(), with[1]));
        return made(AuthenticationFlowContext.class, does);
    }

    private static LoginFormsProvider forms() {
        var page = new Page();
        var found = new LoginFormsProvider[1];
        found[0] = made(LoginFormsProvider.class, Map.of(
                "setError", with -> {
                    page.error = (String) with[0];
                    return found[0];
                },
                "createForm", with -> {
                    page.template = (String) with[0];
                    return page;
                }));
        return found[0];
    }

    private static String shown(String how, Object page) {
        return (how + " " + ((Page) page).template + " " + ((Page) page).error).strip();
    }

    @SuppressWarnings("unchecked")
    private static <T> T made(Class<T> type, Map<String, Function<Object[], Object>> does) {
        return (T) Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, (proxy, method, with) -> {
            Object answer = does.get(method.getName()).apply(with);
            return method.getReturnType() == void.class ? null : answer;
        });
    }
}
