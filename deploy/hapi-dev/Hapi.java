import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.rest.annotation.RequiredParam;
import ca.uhn.fhir.rest.annotation.Search;
import ca.uhn.fhir.rest.api.MethodOutcome;
import ca.uhn.fhir.rest.api.PreferReturnEnum;
import ca.uhn.fhir.rest.client.api.IGenericClient;
import ca.uhn.fhir.rest.gclient.ICreateTyped;
import ca.uhn.fhir.rest.gclient.IUpdateExecutable;
import ca.uhn.fhir.rest.param.DateRangeParam;
import ca.uhn.fhir.rest.param.ReferenceParam;
import ca.uhn.fhir.rest.param.TokenParam;
import ca.uhn.fhir.rest.server.FifoMemoryPagingProvider;
import ca.uhn.fhir.rest.server.RestfulServer;
import ca.uhn.fhir.rest.server.exceptions.BaseServerResponseException;
import ca.uhn.fhir.rest.server.provider.HashMapResourceProvider;
import ca.uhn.fhir.validation.FhirValidator;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.util.Date;
import java.util.List;
import java.util.Objects;
import java.util.function.Predicate;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;
import org.hl7.fhir.instance.model.api.IBaseResource;
import org.hl7.fhir.r4.model.Bundle;
import org.hl7.fhir.r4.model.Encounter;
import org.hl7.fhir.r4.model.Location;
import org.hl7.fhir.r4.model.Organization;
import org.hl7.fhir.r4.model.Patient;

/** A FHIR R4 server in memory under /fhir, validators under /validate/R4 and /R5, a client under /send; on loopback. */
public class Hapi {

    /** Encounters, found by what a record system's search allows. */
    public static class Encounters extends HashMapResourceProvider<Encounter> {
        public Encounters(FhirContext context) {
            super(context, Encounter.class);
        }

        @Search
        public List<IBaseResource> byPatient(@RequiredParam(name = "patient") ReferenceParam patient) {
            return those(each -> patient.getIdPart()
                    .equals(each.getSubject().getReferenceElement().getIdPart()));
        }

        @Search
        public List<IBaseResource> byIdentifier(@RequiredParam(name = "identifier") TokenParam token) {
            return those(each -> each.getIdentifier().stream()
                    .anyMatch(identifier -> token.getValue().equals(identifier.getValue())));
        }

        @Search
        public List<IBaseResource> byTime(@RequiredParam(name = "_lastUpdated") DateRangeParam range) {
            Date from = range.getLowerBoundAsInstant();
            return those(each -> from == null || !each.getMeta().hasLastUpdated()
                    || !each.getMeta().getLastUpdated().before(from));
        }

        private List<IBaseResource> those(Predicate<Encounter> wanted) {
            return getStoredResources().stream()
                    .filter(Objects::nonNull) // deleted
                    .filter(wanted).map(each -> (IBaseResource) each).toList();
        }
    }

    /** Answers with an OperationOutcome on the resource that is posted. */
    public static class Validating extends HttpServlet {
        private final FhirContext context;
        private FhirValidator validator;

        Validating(FhirContext context) {
            this.context = context;
        }

        /** Made when first asked: an edition's definitions take seconds, and a quarter of a gigabyte. */
        private synchronized FhirValidator validator() {
            if (validator == null) {
                ValidationSupportChain chain = new ValidationSupportChain(
                        new DefaultProfileValidationSupport(context),
                        new CommonCodeSystemsTerminologyService(context),
                        new InMemoryTerminologyServerValidationSupport(context));
                FhirValidator made = context.newValidator();
                made.registerValidatorModule(new FhirInstanceValidator(chain));
                validator = made;
            }
            return validator;
        }

        @Override
        protected void doPost(HttpServletRequest request, HttpServletResponse response) throws IOException {
            String text = new String(request.getInputStream().readAllBytes(), "UTF-8");
            response.setContentType("application/fhir+json;charset=UTF-8");
            response.getWriter().write(context.newJsonParser().encodeResourceToString(
                    validator().validateWithResult(text).toOperationOutcome()));
        }
    }

    /**
     * Sends what is posted to a server with HAPI's own client, as a hospital's sender would: parameters
     * base, verb (create, update, by-identifier, transaction) and prefer (none, minimal,
     * representation, outcome). Answers with a line for each thing that the client makes of it.
     */
    public static class Sending extends HttpServlet {
        private final FhirContext context;

        Sending(FhirContext context) {
            this.context = context;
        }

        @Override
        protected void doPost(HttpServletRequest request, HttpServletResponse response) throws IOException {
            String text = new String(request.getInputStream().readAllBytes(), "UTF-8");
            String told;
            try {
                told = send(request.getParameter("base"), request.getParameter("verb"),
                        request.getParameter("prefer"), text);
            } catch (BaseServerResponseException error) {
                told = error.getClass().getSimpleName() + " " + error.getStatusCode();
            }
            response.setContentType("text/plain;charset=UTF-8");
            response.getWriter().write(told);
        }

        private String send(String base, String verb, String prefer, String text) {
            IGenericClient client = context.newRestfulGenericClient(base);
            IBaseResource resource = context.newJsonParser().parseResource(text);
            if (verb.equals("transaction")) {
                Bundle taken = client.transaction().withBundle((Bundle) resource).execute();
                StringBuilder told = new StringBuilder();
                for (Bundle.BundleEntryComponent entry : taken.getEntry()) {
                    told.append(entry.getResponse().getStatus()).append(' ')
                            .append(entry.getResponse().getLocation()).append('\n');
                }
                return told.toString();
            }
            PreferReturnEnum wanted = switch (prefer) {
                case "minimal" -> PreferReturnEnum.MINIMAL;
                case "representation" -> PreferReturnEnum.REPRESENTATION;
                case "outcome" -> PreferReturnEnum.OPERATION_OUTCOME;
                default -> null;
            };
            return told(switch (verb) {
                case "create" -> {
                    ICreateTyped create = client.create().resource(resource);
                    yield (wanted == null ? create : create.prefer(wanted)).execute();
                }
                case "by-identifier" -> {
                    IUpdateExecutable update = client.update().resource(resource).conditional()
                            .where(Encounter.IDENTIFIER.exactly().code("V1"));
                    yield (wanted == null ? update : update.prefer(wanted)).execute();
                }
                default -> {
                    IUpdateExecutable update = client.update().resource(resource);
                    yield (wanted == null ? update : update.prefer(wanted)).execute();
                }
            });
        }

        private String told(MethodOutcome outcome) {
            String id = outcome.getId() == null ? "none" : outcome.getId().getValue();
            return "status " + outcome.getResponseStatusCode()
                    + "\ncreated " + outcome.getCreated()
                    + "\nid " + id
                    + "\nresource " + (outcome.getResource() == null ? "none"
                            : outcome.getResource().fhirType())
                    + "\noutcome " + (outcome.getOperationOutcome() == null ? "none"
                            : outcome.getOperationOutcome().fhirType()) + "\n";
        }
    }

    public static void main(String[] arguments) throws Exception {
        FhirContext context = FhirContext.forR4();
        RestfulServer fhir = new RestfulServer(context);
        fhir.setResourceProviders(
                new Encounters(context),
                new HashMapResourceProvider<>(context, Patient.class),
                new HashMapResourceProvider<>(context, Location.class),
                new HashMapResourceProvider<>(context, Organization.class));
        fhir.setPagingProvider(new FifoMemoryPagingProvider(100).setDefaultPageSize(50).setMaximumPageSize(50));
        ServletContextHandler servlets = new ServletContextHandler();
        servlets.setContextPath("/");
        servlets.addServlet(new ServletHolder(fhir), "/fhir/*");
        servlets.addServlet(new ServletHolder(new Validating(context)), "/validate/R4");
        servlets.addServlet(new ServletHolder(new Validating(FhirContext.forR5())), "/validate/R5");
        servlets.addServlet(new ServletHolder(new Sending(context)), "/send");
        Server server = new Server();
        ServerConnector connector = new ServerConnector(server);
        connector.setHost("127.0.0.1");
        connector.setPort(0);
        server.addConnector(connector);
        server.setHandler(servlets);
        server.start();
        System.out.println("listening on " + connector.getLocalPort());
        System.out.flush();
        System.in.read(); // ends with whoever started it
        System.exit(0);
    }
}
