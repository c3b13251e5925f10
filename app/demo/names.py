"""Parts of the invented names of the crowd."""

# ruff: noqa: SIM905  (a hundred quoted words are harder to read)

FIRST_NAMES = (
    "Abena Adam Aisha Alan Alice Amir Amy Ana Andrew Angus Anita Anna Anwen Arjun Arthur Ayesha Beatrice Ben Bethan "
    "Bilal Bridget Callum Carla Carys Catherine Chidi Chloe Ciara Claire Colin Connor Dafydd Dan Deepa Dev Diana "
    "Dylan Edith Eleanor Elif Ellis Emeka Emily Erin Esther Ewan Farah Femi Fiona Gareth George Gita Grace Gwen Hamza "
    "Hannah Harriet Harry Hugo Huw Ian Ifeoma Imogen Imran Isla Ivan Jack Jasmine Jaya Jean Joan Jonas Joseph Joy "
    "Kamal Karen Katya Kenji Kiran Kofi Lara Laura Leah Leo Lewis Lin Lucy Magda Maria Mark Maryam Matthew Mei Mia "
    "Mohammed Morag Nadia Naomi Nasir Neil Ngozi Nia Noah Nora Oscar Otis Padma Paul Peter Petra Piotr Rachel Rafael "
    "Rahul Rhys Rosa Ruth Saira Samuel Sanjay Sara Sean Simon Sofia Stella Tamsin Tara Teresa Theo Tom Uma Vera "
    "Victoria Wei Will Winston Xavier Yara Zainab Zoe"
).split()

LAST_NAMES = (
    "Abbott Achebe Adair Ahmed Akhtar Ali Allen Amin Appleby Archer Asante Ashby Atkin Bailey Bakshi Banks Barlow "
    "Beattie Begum Bell Bhatt Birch Blake Boateng Bowen Brook Bryce Byrne Carr Chandra Chapman Chen Chowdhury Clarke "
    "Coles Cooper Craig Crossley Cullen Dale Das Davies Dean Desai Doherty Drummond Eccles Edwards Eze Farrow Fenton "
    "Fisher Fleming Forde Fraser Gale Ganguly Gibson Gill Gordon Grant Greene Gupta Haddow Hale Hamid Harding Hart "
    "Hassan Hayes Hobbs Holt Hopkins Hughes Hussain Hyde Iqbal Irving Islam Jacobs James Jarvis Jennings Johal Jones "
    "Joshi Kane Kapoor Kaur Keane Kelly Khan Knight Kowalski Kumar Lamb Lawal Lee Lennox Li Lloyd Lowe Mackay Mahmood "
    "Malik Marsden Mehta Mensah Miller Mistry Moore Morgan Murray Nash Naylor Ncube Nolan Norris Novak Nwosu Obi "
    "Odell Ogden Oliver Osei Owens Page Palmer Parekh Park Parry Patel Penn Perera Pike Porter Price Quinn Rahman "
    "Ramos Rao Reid Rhodes Rossi Rowe Ryan Saleh Sandhu Saunders Sato Shah Shaw Silva Singh Slater Sousa Stone Tan "
    "Tate Thomas Thorne Todd Tran Turner Uddin Underhill Varga Vaughan Wade Walsh Wang Ward Webb West Wilde Wood "
    "Wright Yates Yilmaz Young Zaman"
).split()

PLACE_BEGINNINGS = (
    "Alder Amble Apple Ash Barn Beck Birch Black Bright Brook Cald Castle Clay Cold Cran Dale Deep Elm Fair Fern Glen "
    "Green Hart Hazel High Holm Kings Lang Lime Long Maple March Mill Moor North Oak Over Penn Raven Red Rose Sand "
    "Stan Stone Thorn Wal Whit Wind Wood"
).split()

PLACE_ENDINGS = (
    "borough bourne bridge brook burn bury by cliffe combe cote dale den don field fold ford gate ham hill hurst ley "
    "low mere minster mouth over port shaw stead stoke thorpe ton vale water well wick wood worth"
).split()

SCHOOL_KINDS = (
    "Academy",
    "Church of England School",
    "College",
    "Community School",
    "Girls' School",
    "Grammar School",
    "High School",
    "School",
    "Sixth Form College",
    "Technical College",
)
