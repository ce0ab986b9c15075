import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.rest.annotation.RequiredParam;
import ca.uhn.fhir.rest.annotation.Search;
import ca.uhn.fhir.rest.param.DateRangeParam;
import ca.uhn.fhir.rest.param.ReferenceParam;
import ca.uhn.fhir.rest.param.TokenParam;
import ca.uhn.fhir.rest.server.FifoMemoryPagingProvider;
import ca.uhn.fhir.rest.server.RestfulServer;
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
import org.hl7.fhir.r4.model.Encounter;
import org.hl7.fhir.r4.model.Location;
import org.hl7.fhir.r4.model.Organization;
import org.hl7.fhir.r4.model.Patient;

/** A FHIR R4 server in memory under /fhir, validators under /validate/R4 and /R5, on loopback. */
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
