package otpost;

import java.util.List;
import org.keycloak.Config;
import org.keycloak.authentication.Authenticator;
import org.keycloak.authentication.AuthenticatorFactory;
import org.keycloak.models.AuthenticationExecutionModel.Requirement;
import org.keycloak.models.KeycloakSession;
import org.keycloak.models.KeycloakSessionFactory;
import org.keycloak.provider.ProviderConfigProperty;

/** What Keycloak's console shows about the step, and the fields of its config. */
public class OtpostAuthenticatorFactory implements AuthenticatorFactory {
    private static final Authenticator AUTHENTICATOR = new OtpostAuthenticator(); // it keeps no state

    @Override
    public String getId() {
        return "otpost";
    }

    @Override
    public String getDisplayType() {
        return "Code by Otpost";
    }

    @Override
    public String getHelpText() {
        return "Sends a code to the user's " + OtpostAuthenticator.ATTRIBUTE + ", and asks for it.";
    }

    @Override
    public String getReferenceCategory() {
        return "otpost";
    }

    @Override
    public Requirement[] getRequirementChoices() {
        return new Requirement[] {Requirement.REQUIRED, Requirement.ALTERNATIVE, Requirement.DISABLED};
    }

    @Override
    public boolean isConfigurable() {
        return true;
    }

    @Override
    public boolean isUserSetupAllowed() {
        return false;
    }

    @Override
    public List<ProviderConfigProperty> getConfigProperties() {
        return List.of(
                property(
                        "server", "Server", "https://verify.example.com", ProviderConfigProperty.STRING_TYPE, null),
                property("key", "API key", "otpost_…", ProviderConfigProperty.PASSWORD, null),
                property("purpose", "Purpose", "One of OTP_PURPOSES", ProviderConfigProperty.STRING_TYPE, "login"));
    }

    private static ProviderConfigProperty property(
            String name, String label, String help, String type, String otherwise) {
        boolean secret = type.equals(ProviderConfigProperty.PASSWORD);
        return new ProviderConfigProperty(name, label, help, type, otherwise, secret);
    }

    @Override
    public Authenticator create(KeycloakSession session) {
        return AUTHENTICATOR;
    }

    @Override
    public void init(Config.Scope config) {}

    @Override
    public void postInit(KeycloakSessionFactory factory) {}

    @Override
    public void close() {}
}
