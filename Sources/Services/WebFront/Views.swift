import FFSModel
import Mustache

/// What a template reads: text, numbers, flags, lists and further models, by name.
typealias Model = [String: Any]

/// The page templates, parsed once.
struct Views: Sendable {
    private let library: MustacheLibrary
    private let site: [String: String]

    init(settings: WebSettings, assets: Assets) throws(Failure) {
        var library = MustacheLibrary()
        do {
            for (name, source) in Self.sources {
                try library.register(Self.escapingMark + String(decoding: source, as: UTF8.self), named: name)
            }
        } catch {
            throw Failure(.internal, "a page template does not parse; this build is broken", cause: "\(error)")
        }
        self.library = library
        var site = [
            "site": settings.siteName, "style": assets.style.path, "script": assets.script.path,
            "icon": assets.icon.path,
        ]
        // An empty text is a text to Mustache; what is absent is absent.
        if !settings.contact.isEmpty { site["contact"] = settings.contact }
        self.site = site
    }

    private static let sources: [(name: String, source: [UInt8])] = [
        ("layout", PackageResources.layout_mustache),
        ("lifetime", PackageResources.lifetime_mustache),
        ("version", PackageResources.version_mustache),
        ("product", PackageResources.product_mustache),
        ("file", PackageResources.file_mustache),
        ("sign-in", PackageResources.sign_in_mustache),
        ("catalogue", PackageResources.catalogue_mustache),
        ("account", PackageResources.account_mustache),
        ("accounts", PackageResources.accounts_mustache),
        ("password", PackageResources.password_mustache),
        ("status", PackageResources.status_mustache),
        ("error", PackageResources.error_mustache),
    ]

    func render(_ name: String, _ model: Model) -> String {
        library.render(model.merging(site) { own, _ in own }, withTemplate: name) ?? ""
    }

    /// Put before every template and partial: each starts anew with the library's own escaping, which compares
    /// Characters and so misses a quote that carries a combining mark.
    private static let escapingMark: String = {
        MustacheContentTypes.register(StrictHTML(), named: "STRICT-HTML")
        return "{{% CONTENT_TYPE:STRICT-HTML}}"
    }()
}

private struct StrictHTML: MustacheContentType {
    func escapeText(_ text: String) -> String { Escaping.html(text) }
}

extension WebFront {
    /// A whole page: the template inside the layout, with the session's navigation and form token.
    func page(_ name: String, _ title: String, _ model: Model, for visit: Visit, status: Int = 200) -> WebResponse {
        var model = model
        model["page-title"] = title
        model["at-\(name)"] = true
        model["now"] = clocks.now().description
        model["csrf"] = forms.token(for: visit.token)
        if let session = visit.session { model["user"] = session.displayName }
        var response = WebResponse.html(views.render(name, model), status: status)
        if visit.isNewcomer { response.set("set-cookie", visit.cookie(visit.token)) }
        return response
    }
}
