package otpost;

import jakarta.ws.rs.core.MultivaluedMap;
import jakarta.ws.rs.core.Response;
import java.io.IOException;
import java.lang.System.Logger.Level;
import java.util.List;
import java.util.Map;
import org.keycloak.authentication.AuthenticationFlowContext;
import org.keycloak.authentication.AuthenticationFlowError;
import org.keycloak.authentication.Authenticator;
import org.keycloak.models.AuthenticatorConfigModel;
import org.keycloak.models.KeycloakSession;
import org.keycloak.models.RealmModel;
import org.keycloak.models.UserModel;

/** Has Otpost send a code to the user's number, and asks the user for it. Otpost makes and checks the code. */
public class OtpostAuthenticator implements Authenticator {
    static final String ATTRIBUTE = "phoneNumber"; // which Keycloak maps to the claim phone_number

    /** The note in which a login keeps the id of its verification. The id is no secret. */
    private static final String VERIFICATION = "otpost-verification";

    private static final System.Logger LOG = System.getLogger("otpost");

    @Override
    public void authenticate(AuthenticationFlowContext context) {
        // Called again if the user reloads the page, which must not send a second code.
        if (verification(context) == null) start(context);
        else context.challenge(form(context, null));
    }

    @Override
    public void action(AuthenticationFlowContext context) {
        MultivaluedMap<String, String> form = context.getHttpRequest().getDecodedFormParameters();
        String code = form.getFirst("code");
        if (form.containsKey("again") || verification(context) == null) start(context);
        else if (code == null || code.isBlank()) context.challenge(form(context, null));
        else check(context, code.strip());
    }

    private void start(AuthenticationFlowContext context) {
        UserModel user = context.getUser();
        String locale = context.getSession().getContext().resolveLocale(user).toLanguageTag();
        String purpose = config(context).getOrDefault("purpose", "login");
        Otpost.Answer answer;
        try {
            answer = otpost(context).start(user.getFirstAttribute(ATTRIBUTE), purpose, locale, address(context));
        } catch (IOException error) {
            away(context, error.toString());
            return;
        }
        if (answer.status() == 202) {
            context.getAuthenticationSession().setAuthNote(VERIFICATION, answer.text("id"));
            context.challenge(form(context, null));
        } else if (answer.status() == 422) {
            context.challenge(form(context, "otpostNoNumber"));
        } else {
            refused(context, answer);
        }
    }

    private void check(AuthenticationFlowContext context, String code) {
        Otpost.Answer answer;
        try {
            answer = otpost(context).check(verification(context), code, address(context));
        } catch (IOException error) {
            away(context, error.toString());
            return;
        }
        switch (answer.status() == 200 ? answer.text("status") : "") {
            case "valid" -> {
                context.getAuthenticationSession().removeAuthNote(VERIFICATION);
                context.success();
            }
            case "invalid" -> {
                context.getEvent().user(context.getUser()).error("invalid_user_credentials");
                context.failureChallenge(
                        AuthenticationFlowError.INVALID_CREDENTIALS, form(context, "otpostWrong"));
            }
            case "expired", "blocked" -> context.challenge(form(context, "otpostOver"));
            default -> refused(context, answer);
        }
    }

    private static void refused(AuthenticationFlowContext context, Otpost.Answer answer) {
        if (answer.status() == 429) context.challenge(form(context, "otpostWait"));
        else away(context, "it answered " + answer.status() + " " + answer.text("code"));
    }

    private static void away(AuthenticationFlowContext context, String why) {
        LOG.log(Level.ERROR, "Otpost cannot be asked: " + why);
        context.challenge(form(context, "otpostAway"));
    }

    private static Response form(AuthenticationFlowContext context, String error) {
        var form = context.form();
        return (error == null ? form : form.setError(error)).createForm("otpost-code.ftl");
    }

    private static String verification(AuthenticationFlowContext context) {
        return context.getAuthenticationSession().getAuthNote(VERIFICATION);
    }

    private static String address(AuthenticationFlowContext context) {
        return context.getConnection().getRemoteAddr();
    }

    private static Otpost otpost(AuthenticationFlowContext context) {
        return new Otpost(config(context).get("server"), config(context).get("key"));
    }

    private static Map<String, String> config(AuthenticationFlowContext context) {
        AuthenticatorConfigModel given = context.getAuthenticatorConfig();
        if (given == null || !given.getConfig().keySet().containsAll(List.of("server", "key")))
            throw new IllegalStateException("The step Code by Otpost needs a server and a key. Set them in its config.");
        return given.getConfig();
    }

    @Override
    public boolean requiresUser() {
        return true;
    }

    @Override
    public boolean configuredFor(KeycloakSession session, RealmModel realm, UserModel user) {
        String phone = user.getFirstAttribute(ATTRIBUTE);
        return phone != null && !phone.isBlank();
    }

    @Override
    public void setRequiredActions(KeycloakSession session, RealmModel realm, UserModel user) {}

    @Override
    public void close() {}
}
