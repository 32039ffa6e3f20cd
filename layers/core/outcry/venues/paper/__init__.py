"""The paper venue: a book of virtual dollars that trades at the live venue's marks, behind the same port."""
