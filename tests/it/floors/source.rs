//! Which file of a crate uses what of which other file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemUse, UseTree, Visibility};

/// Names of modules from the root, without `crate`.
type ModulePath = Vec<String>;

/// For each pair of files, the names that the first uses and the second defines.
pub type Arrows = BTreeMap<(String, String), BTreeSet<String>>;

/// A module: the file it is written in, and its names.
#[derive(Default)]
struct Module {
    file: String,
    /// What it defines itself, other than modules.
    items: BTreeSet<String>,
    /// Those of them that are types or traits.
    types: BTreeSet<String>,
    /// What `use` brings in: the name here, and its path.
    imports: Vec<(String, Vec<String>)>,
    /// The modules of `use path::*`.
    globs: Vec<Vec<String>>,
    /// All paths in its code, and whether `use` names them.
    paths: Vec<Vec<String>>,
}

/// All modules of a crate that are not for tests.
#[derive(Default)]
pub struct Crate(BTreeMap<ModulePath, Module>);

/// Where a path leads.
enum Target {
    Module(ModulePath),
    /// An item of this name, in the module that defines it.
    Item(ModulePath, String),
}

impl Crate {
    /// Reads the crate whose `lib.rs` is in `folder`.
    pub fn read(folder: &Path) -> Crate {
        let mut whole = Crate::default();
        whole.read_file(folder, "lib.rs", Vec::new());
        whole
    }

    /// Returns the names of the modules in `lib.rs`.
    pub fn top_modules(&self) -> BTreeSet<String> {
        self.0.keys().filter(|path| path.len() == 1).map(|path| path[0].clone()).collect()
    }

    /// Returns the names of all types and traits, each with the file that defines it.
    pub fn types(&self) -> Vec<(String, String)> {
        let types =
            |module: &Module| module.types.iter().map(|name| (name.clone(), module.file.clone())).collect::<Vec<_>>();
        self.0.values().flat_map(types).collect()
    }

    /// Returns the uses of one file's items in another.
    pub fn arrows(&self) -> Arrows {
        let mut arrows = Arrows::new();
        for (path, module) in &self.0 {
            for used in &module.paths {
                let Some(Target::Item(target, name)) = self.resolve(path, used, 0) else { continue };
                let file = &self.0[&target].file;
                if *file != module.file {
                    arrows.entry((module.file.clone(), file.clone())).or_default().insert(name);
                }
            }
        }
        arrows
    }

    fn read_file(&mut self, folder: &Path, file: &str, path: ModulePath) {
        let text = fs::read_to_string(folder.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        self.read_items(folder, file, path, &parsed.items);
    }

    fn read_items(&mut self, folder: &Path, file: &str, path: ModulePath, items: &[Item]) {
        let mut module = Module { file: file.to_owned(), ..Module::default() };
        for item in items.iter().filter(|item| !is_for_tests(attributes(item))) {
            if let Item::Mod(inner) = item {
                let name = inner.ident.to_string();
                let inner_path = [&path[..], &[name]].concat();
                match &inner.content {
                    Some((_, items)) => self.read_items(folder, file, inner_path, items),
                    None => self.read_file(folder, &file_of(folder, &inner_path), inner_path),
                }
                continue;
            }
            module.items.extend(name_of(item));
            if matches!(item, Item::Enum(_) | Item::Struct(_) | Item::Trait(_) | Item::Type(_)) {
                module.types.extend(name_of(item));
            }
            Collector { module: &mut module }.visit_item(item);
        }
        self.0.insert(path, module);
    }

    /// Follows a path that is written in the module `from`; `None` if it leads out of the crate.
    fn resolve(&self, from: &[String], path: &[String], depth: usize) -> Option<Target> {
        let mut at = from.to_vec();
        let mut rest = path;
        let mut is_relative = true;
        while let Some((first, others)) = rest.split_first() {
            match first.as_str() {
                "crate" => at.clear(),
                "self" => {}
                "super" => drop(at.pop()),
                _ => break,
            }
            (is_relative, rest) = (false, others);
        }
        while let Some((name, others)) = rest.split_first() {
            match self.lookup(&at, name, depth)? {
                Target::Module(module) => at = module,
                item @ Target::Item(..) => return Some(item),
            }
            rest = others;
        }
        (!is_relative || !path.is_empty()).then_some(Target::Module(at))
    }

    /// Looks up a name in a module. Paths of `use` that lead to each other, as `use self::x::x` does, end at some depth.
    fn lookup(&self, at: &[String], name: &str, depth: usize) -> Option<Target> {
        let module = self.0.get(at)?;
        let inner = [at, &[name.to_owned()]].concat();
        if self.0.contains_key(&inner) {
            return Some(Target::Module(inner));
        }
        if module.items.contains(name) {
            return Some(Target::Item(at.to_vec(), name.to_owned()));
        }
        if depth > 16 {
            return None;
        }
        let mut imports = module.imports.iter().filter(|(import, _)| import == name);
        imports.find_map(|(_, path)| self.resolve(at, path, depth + 1)).or_else(|| {
            module.globs.iter().find_map(|path| match self.resolve(at, path, depth + 1)? {
                Target::Module(other) if other != at => self.lookup(&other, name, depth + 1),
                _ => None,
            })
        })
    }
}

/// The file of a module, relative to the folder of `lib.rs`.
fn file_of(folder: &Path, path: &[String]) -> String {
    let (alone, with_children) = (format!("{}.rs", path.join("/")), format!("{}/mod.rs", path.join("/")));
    if folder.join(&alone).exists() { alone } else { with_children }
}

/// Takes all paths and imports out of an item.
struct Collector<'a> {
    module: &'a mut Module,
}

impl Collector<'_> {
    fn add_use(&mut self, before: &[String], tree: &UseTree, is_reexport: bool) {
        let path = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(inner) => self.add_use(&path(&inner.ident), &inner.tree, is_reexport),
            UseTree::Group(group) => group.items.iter().for_each(|inner| self.add_use(before, inner, is_reexport)),
            UseTree::Glob(_) => self.module.globs.push(before.to_vec()),
            UseTree::Name(name) if name.ident == "self" => {
                let last = before.last().expect("a path before `self`").clone();
                self.add_import(last, before.to_vec(), is_reexport);
            }
            UseTree::Name(name) => self.add_import(name.ident.to_string(), path(&name.ident), is_reexport),
            UseTree::Rename(rename) => self.add_import(rename.rename.to_string(), path(&rename.ident), is_reexport),
        }
    }

    /// A re-export is no use of the item: it only passes on the name.
    fn add_import(&mut self, name: String, path: Vec<String>, is_reexport: bool) {
        if !is_reexport {
            self.module.paths.push(path.clone());
        }
        self.module.imports.push((name, path));
    }

    /// The paths among the tokens of a macro's arguments.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' && !path.is_empty() => colons += 1,
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.module.paths.push(std::mem::take(&mut path));
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                other => {
                    self.module.paths.push(std::mem::take(&mut path));
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.add_tokens(group.stream());
                    }
                }
            }
        }
        self.module.paths.push(path);
    }
}

impl<'ast> Visit<'ast> for Collector<'_> {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let is_reexport = !matches!(item.vis, Visibility::Inherited);
        self.add_use(&[], &item.tree, is_reexport);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.module.paths.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.add_tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|condition| condition.is_ident("test"))
    })
}

/// The name that an item gives to its module.
fn name_of(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}
